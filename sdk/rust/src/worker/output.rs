use serde::Serialize;
use serde_json::Value;

use super::task_error::TaskError;

/// What a handler may return: JSON ([`serde_json::Value`], or [`Json`] around what becomes it), nothing (`()`), or one
/// of them as an [`Option`].
pub trait IntoOutput {
    /// The task's output; `None` is no output. Fails with what the attempt then fails with.
    fn into_output(self) -> Result<Option<Value>, TaskError>;
}

/// Makes JSON of what it holds, by [`serde`]. What cannot be JSON fails the task with code `OUTPUT_NOT_JSON`, without
/// another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl IntoOutput for () {
    fn into_output(self) -> Result<Option<Value>, TaskError> {
        Ok(None)
    }
}

impl IntoOutput for Value {
    fn into_output(self) -> Result<Option<Value>, TaskError> {
        Ok(Some(self))
    }
}

impl<T: Serialize> IntoOutput for Json<T> {
    fn into_output(self) -> Result<Option<Value>, TaskError> {
        serde_json::to_value(self.0).map(Some).map_err(|error| {
            TaskError::new(format!("the handler's output is no JSON: {error}")).code("OUTPUT_NOT_JSON").non_retryable()
        })
    }
}

impl<O: IntoOutput> IntoOutput for Option<O> {
    fn into_output(self) -> Result<Option<Value>, TaskError> {
        self.map_or(Ok(None), IntoOutput::into_output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::HashMap;

    #[test]
    fn null_is_not_nothing() {
        assert_eq!(().into_output(), Ok(None));
        assert_eq!(None::<Value>.into_output(), Ok(None));
        assert_eq!(Value::Null.into_output(), Ok(Some(Value::Null)));
        assert_eq!(Json(None::<u8>).into_output(), Ok(Some(Value::Null)));
        assert_eq!(Some(Json([1, 2])).into_output(), Ok(Some(json!([1, 2]))));
    }

    #[test]
    fn what_cannot_be_json_fails_for_good() {
        let keys_are_no_text = HashMap::from([((1, 2), 3)]);
        let error = Json(keys_are_no_text).into_output().expect_err("no JSON");
        assert_eq!((error.code.as_str(), error.non_retryable), ("OUTPUT_NOT_JSON", true));
    }
}
