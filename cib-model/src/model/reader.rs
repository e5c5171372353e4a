//! Reading attributes as typed values, noting what is not understood.

use std::time::Duration;

use super::error::{ModelError, ModelProblem};
use crate::document::Element;
use crate::scalar::{Score, parse_boolean, parse_integer, parse_interval_ms};

/// A type an attribute can hold.
pub(super) trait FromAttribute: Sized {
    fn read(text: &str) -> Option<Self>;
    /// What is accepted, in words.
    fn accepted() -> String;
}

/// The errors of one reading.
#[derive(Default)]
pub(super) struct Reader {
    pub errors: Vec<ModelError>,
}

impl Reader {
    pub(super) fn report(&mut self, element: Element<'_>, problem: ModelProblem) {
        self.errors.push(ModelError::new(element, problem));
    }

    /// Reports that an element has none of the forms it can have.
    pub(super) fn form(&mut self, element: Element<'_>, accepted: &'static str) {
        self.report(element, ModelProblem::Form { accepted });
    }

    /// Reports an element that is not known where it stands.
    pub(super) fn unknown(&mut self, element: Element<'_>, accepted: &'static str) {
        let parent = element.parent().map_or("", |parent| parent.name()).to_owned();
        self.report(element, ModelProblem::Unknown { parent, accepted });
    }

    /// A mandatory text; empty when absent.
    pub(super) fn required<'d>(
        &mut self,
        element: Element<'d>,
        attribute: &'static str,
    ) -> &'d str {
        element.attribute(attribute).unwrap_or_else(|| {
            self.report(element, ModelProblem::Missing { attribute });
            ""
        })
    }

    /// An optional value; absent when not understood.
    pub(super) fn value<T: FromAttribute>(
        &mut self,
        element: Element<'_>,
        attribute: &'static str,
    ) -> Option<T> {
        let text = element.attribute(attribute)?;
        let value = T::read(text);
        if value.is_none() {
            let (value, accepted) = (text.to_owned(), T::accepted());
            self.report(element, ModelProblem::Value { attribute, value, accepted });
        }
        value
    }

    /// A mandatory value; its default when absent or not understood.
    pub(super) fn required_value<T: FromAttribute + Default>(
        &mut self,
        element: Element<'_>,
        attribute: &'static str,
    ) -> T {
        if element.attribute(attribute).is_none() {
            self.report(element, ModelProblem::Missing { attribute });
        }
        self.value(element, attribute).unwrap_or_default()
    }
}

impl FromAttribute for bool {
    fn read(text: &str) -> Option<bool> {
        parse_boolean(text)
    }

    fn accepted() -> String {
        "true, on, yes, y, 1, false, off, no, n or 0".to_owned()
    }
}

/// Whole numbers: anything behind the digits is ignored, but what does not fit is not.
macro_rules! whole_number {
    ($($type:ty),+) => {$(
        impl FromAttribute for $type {
            fn read(text: &str) -> Option<$type> {
                parse_integer(text)?.try_into().ok()
            }

            fn accepted() -> String {
                format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX)
            }
        }
    )+};
}

whole_number!(u8, u16, i32, u32, i64, u64);

impl FromAttribute for Score {
    fn read(text: &str) -> Option<Score> {
        Score::parse(text).ok()
    }

    fn accepted() -> String {
        "a whole number, INFINITY or -INFINITY".to_owned()
    }
}

/// A length of time in the interval form.
impl FromAttribute for Duration {
    fn read(text: &str) -> Option<Duration> {
        parse_interval_ms(text).ok().map(Duration::from_millis)
    }

    fn accepted() -> String {
        "a length of time such as 10s, 500ms, 1min or PT5M".to_owned()
    }
}
