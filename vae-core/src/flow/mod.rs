//! Flows: invertible maps that reshape a Gaussian, with the density they give.

mod coupling;
mod iaf;
mod made;

pub use coupling::{CouplingFlow, FlowDistribution};
pub use iaf::{FlowPosterior, Iaf};
pub use made::Made;
