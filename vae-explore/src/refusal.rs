//! What is answered to a request that cannot be met.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// A status and a sentence.
#[derive(Debug)]
pub struct Refusal {
    /// The status of HTTP.
    pub status: StatusCode,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Refusal {
    /// The request is not as it must be.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, message)
    }

    /// With a status.
    pub fn of(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

impl From<vae_core::Error> for Refusal {
    fn from(error: vae_core::Error) -> Self {
        Self::of(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

impl From<vae_data::DataError> for Refusal {
    fn from(error: vae_data::DataError) -> Self {
        Self::of(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

impl From<vae_analysis::Error> for Refusal {
    fn from(error: vae_analysis::Error) -> Self {
        Self::of(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.message }))).into_response()
    }
}

/// What a request gives.
pub type Answer<T> = Result<T, Refusal>;
