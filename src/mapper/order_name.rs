//! Which events are an Order Completed, by their names. Pure.

/// Whether an event's name is Order Completed, in either order of the words, any case, with a blank, `_` or nothing
/// between them and at most one at either end. (Facade's pattern, but closed at the end: `Completed Order Survey`
/// is another event.)
pub(super) fn is_order_completed(name: &str) -> bool {
    let separator = [' ', '_'];
    let name = name.strip_prefix(separator).unwrap_or(name);
    let name = name.strip_suffix(separator).unwrap_or(name);
    let name = name.to_ascii_lowercase();
    let is = |first: &str, second: &str| {
        name.strip_prefix(first)
            .is_some_and(|rest| rest.strip_prefix(separator).unwrap_or(rest) == second)
    };
    is("order", "completed") || is("completed", "order")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_completed_is_known_in_every_spelling() {
        for yes in [
            "Order Completed",
            "order_completed",
            "Completed Order",
            "completed_order",
            "OrderCompleted",
            "ORDER COMPLETED",
            " Order Completed ",
            "_order_completed",
        ] {
            assert!(is_order_completed(yes), "{yes}");
        }
        for no in [
            "Order Completed v2",
            "Completed Order Survey",
            "Order  Completed",
            "order-completed",
            "Order Updated",
            "Reorder Completed",
            "",
        ] {
            assert!(!is_order_completed(no), "{no}");
        }
    }
}
