//! How the `max_in_flight` requests are divided. A request without an answer uses its slot until its time-out, so
//! neither a family nor the events that have failed before may use all of them. Pure.

/// What is in flight: of all families, of one family, and of that family those that have failed before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Of all families.
    pub all: usize,
    /// Of the family.
    pub family: usize,
    /// Of the family, requests that have failed before.
    pub retried: usize,
}

/// Which requests of a family may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vacancy {
    /// Any.
    Any,
    /// Only those that have not failed before.
    Fresh,
    /// None.
    None,
}

/// Which requests of a family may be sent. A family may use three quarters of the `max_in_flight` slots, and those that
/// have failed before may use a third of these; one at least.
pub fn vacancy(max_in_flight: usize, in_flight: InFlight) -> Vacancy {
    let family = max_in_flight - max_in_flight / 4;
    if in_flight.all >= max_in_flight || in_flight.family >= family {
        return Vacancy::None;
    }
    if in_flight.retried >= (family / 3).max(1) {
        Vacancy::Fresh
    } else {
        Vacancy::Any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_leaves_a_quarter_of_the_places_and_failed_requests_two_thirds_of_its_own() {
        for (max_in_flight, family, retried) in [(1, 1, 1), (2, 2, 1), (4, 3, 1), (16, 12, 4)] {
            let of = |all, family, retried| vacancy(max_in_flight, InFlight { all, family, retried });
            assert_eq!(of(0, 0, 0), Vacancy::Any, "{max_in_flight}");
            assert_eq!(of(family, family, 0), Vacancy::None, "{max_in_flight}");
            assert_eq!(of(max_in_flight, 0, 0), Vacancy::None, "{max_in_flight}");
            if retried < family {
                assert_eq!(of(retried, retried, retried), Vacancy::Fresh, "{max_in_flight}");
            }
            let before = family - 1;
            assert_ne!(of(before, before, 0), Vacancy::None, "{max_in_flight}");
        }
    }
}
