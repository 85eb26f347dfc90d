//! Segment event in, Klaviyo requests out.
