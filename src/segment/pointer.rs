//! A place in a Segment call, as data. Pure; uses `json`.

use std::fmt;

use crate::json::member;

/// The names and numbers that lead to a place in a call.
///
/// It displays as a path, `properties.products[0].sku`; [`Pointer::json`] is the same place for machines.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pointer(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    Name(String),
    Item(usize),
}

impl Pointer {
    /// The top-level field of this name.
    pub fn of(name: impl Into<String>) -> Self {
        Self(vec![Step::Name(name.into())])
    }

    /// The place that these names lead to, written with dots between them: `context.traits`.
    pub fn path(names: &str) -> Self {
        Self(names.split('.').map(|name| Step::Name(name.to_owned())).collect())
    }

    /// The member of this name in the object at this place.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.0.push(Step::Name(name.into()));
        self
    }

    /// What these names lead to, one after the other, from this place.
    #[must_use]
    pub fn names<N: AsRef<str>>(self, names: impl IntoIterator<Item = N>) -> Self {
        names.into_iter().fold(self, |place, name| place.name(name.as_ref()))
    }

    /// The item of this number, from 0, in the array at this place.
    #[must_use]
    pub fn item(mut self, number: usize) -> Self {
        self.0.push(Step::Item(number));
        self
    }

    /// The place as a JSON pointer (RFC 6901): `/properties/products/0/sku`.
    pub fn json(&self) -> String {
        let step = |pointer: String, step: &Step| match step {
            Step::Name(name) => member(&pointer, name),
            Step::Item(number) => format!("{pointer}/{number}"),
        };
        self.0.iter().fold(String::new(), step)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Name(name) if at == 0 => f.write_str(name)?,
                Step::Name(name) => write!(f, ".{name}")?,
                Step::Item(number) => write!(f, "[{number}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_for_people_and_a_pointer_for_machines() {
        let price = Pointer::of("properties").name("a/b~c").item(2).names(["0", "d.e"]);
        assert_eq!(price.to_string(), "properties.a/b~c[2].0.d.e");
        assert_eq!(price.json(), "/properties/a~1b~0c/2/0/d.e");
    }
}
