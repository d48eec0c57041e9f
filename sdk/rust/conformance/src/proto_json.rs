//! ProtoJSON of the contract's messages, by their descriptors.

use millpond::v1;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;

use crate::outcome::Failure;

/// Translates between messages and ProtoJSON.
pub struct ProtoJson(DescriptorPool);

impl ProtoJson {
    /// Reads the descriptors of the contract from the file that MILLPOND_DESCRIPTORS names.
    pub fn load() -> Result<Self, Box<dyn std::error::Error>> {
        let path = std::env::var("MILLPOND_DESCRIPTORS")
            .map_err(|_| "MILLPOND_DESCRIPTORS names no file of descriptors: `buf build --path proto/millpond -o FILE` makes one")?;
        Ok(Self(DescriptorPool::decode(std::fs::read(path)?.as_slice())?))
    }

    /// A message that is given as ProtoJSON.
    pub fn read<M: Message + Default + Named>(&self, json: Value) -> Result<M, Failure> {
        let dynamic = DynamicMessage::deserialize(self.descriptor(M::NAME)?, json)?;
        M::decode(dynamic.encode_to_vec().as_slice()).map_err(|error| Failure::runner(error.to_string()))
    }

    /// A message as ProtoJSON.
    pub fn write<M: Message + Named>(&self, message: &M) -> Result<Value, Failure> {
        let bytes = message.encode_to_vec();
        let dynamic = DynamicMessage::decode(self.descriptor(M::NAME)?, bytes.as_slice())
            .map_err(|error| Failure::runner(error.to_string()))?;
        Ok(serde_json::to_value(dynamic)?)
    }

    fn descriptor(&self, name: &str) -> Result<prost_reflect::MessageDescriptor, Failure> {
        let full_name = format!("millpond.v1.{name}");
        self.0.get_message_by_name(&full_name).ok_or_else(|| Failure::runner(format!("no such message: {full_name}")))
    }
}

/// A message that the suite sends or is sent.
pub trait Named {
    const NAME: &'static str;
}

macro_rules! named {
    ($($message:ident)*) => {
        $(impl Named for v1::$message { const NAME: &'static str = stringify!($message); })*
    };
}

named! {
    CreateTasksRequest CreateTasksResponse GetTaskRequest GetTaskResponse ListTasksRequest ListTasksResponse
    UpdateTaskRequest UpdateTaskResponse ReportTasksRequest ReportTasksResponse AddCountsRequest AddCountsResponse
    CancelTasksRequest CancelTasksResponse PauseTasksRequest PauseTasksResponse ResumeTasksRequest ResumeTasksResponse
    RetryTasksRequest RetryTasksResponse ExplainTaskRequest ExplainTaskResponse
    GetBatchRequest GetBatchResponse ListBatchesRequest ListBatchesResponse SealBatchRequest SealBatchResponse
    StopBatchRequest StopBatchResponse PauseBatchRequest PauseBatchResponse ResumeBatchRequest ResumeBatchResponse
    RetryBatchRequest RetryBatchResponse UpdateBatchRulesRequest UpdateBatchRulesResponse
    GetBatchGraphRequest GetBatchGraphResponse ListRuleUsageRequest ListRuleUsageResponse
    ListEventsRequest ListEventsResponse
    ClaimTasksRequest ClaimTasksResponse ExtendLeasesRequest ExtendLeasesResponse AppendLogsRequest AppendLogsResponse
    ListLogsRequest ListLogsResponse ListWorkersRequest ListWorkersResponse
    ListDeliveriesRequest ListDeliveriesResponse ReplayDeliveriesRequest ReplayDeliveriesResponse
    UploadTasksRequest UploadTasksResponse StreamReportsRequest StreamReportsResponse
    StreamCountsRequest StreamCountsResponse WorkRequest WorkResponse WatchEventsRequest WatchEventsResponse
    NewBatch Rule EventFilter LogEntry
}
