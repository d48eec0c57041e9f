//! The names of the contract's enums, without their prefixes: as they stand in errors, in statistics and in JSON for
//! people.

use std::fmt;

use crate::v1;

macro_rules! named {
    ($($name:ident $prefix:literal;)*) => {
        $(
            /// Its name in the contract, without the prefix.
            impl fmt::Display for v1::$name {
                fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                    let name = self.as_str_name();
                    formatter.pad(name.strip_prefix($prefix).unwrap_or(name))
                }
            }
        )*
    };
}

named! {
    BatchStatus "BATCH_STATUS_";
    DeliveryState "DELIVERY_STATE_";
    DeliveryTrigger "DELIVERY_TRIGGER_";
    DependencyCondition "DEPENDENCY_CONDITION_";
    ErrorReason "ERROR_REASON_";
    FailureCause "FAILURE_CAUSE_";
    HttpMethod "HTTP_METHOD_";
    LineageDirection "LINEAGE_DIRECTION_";
    LogLevel "LOG_LEVEL_";
    TaskStatus "TASK_STATUS_";
    UnmetPolicy "UNMET_POLICY_";
    WorkerState "WORKER_STATE_";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_no_prefix() {
        assert_eq!(v1::TaskStatus::Success.to_string(), "SUCCESS");
        assert_eq!(v1::ErrorReason::TaskNotFound.to_string(), "TASK_NOT_FOUND");
        assert_eq!(format!("{:>5}", v1::LogLevel::Info), " INFO");
    }
}
