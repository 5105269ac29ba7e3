//! Kubernetes' wire: what requests ask for and how answers are written, for any API group.
//!
//! Nothing here knows Coder, a clock or a socket, and nothing here decides who may do what.

pub mod authentication;
pub mod authorization;
pub mod continue_token;
pub mod delete_options;
pub mod discovery;
pub mod document;
pub mod duration;
pub mod encoding;
pub mod etag;
pub mod generate_name;
pub mod headers;
pub mod list_options;
pub mod list_writer;
pub mod manifest;
pub mod meta;
pub mod negotiation;
pub mod object_writer;
pub mod openapi;
pub mod patch;
pub mod percent;
pub mod query;
pub mod quote;
pub mod request_header;
pub mod request_info;
pub mod scale;
pub mod secret;
pub mod selectors;
pub mod status;
pub mod subject;
pub mod success;
pub mod table;
pub mod user;
pub mod warning;
pub mod watch_event;
pub mod write_options;
pub mod yaml;
