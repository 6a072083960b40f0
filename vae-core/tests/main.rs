//! One program, so that training is compiled once.

mod completion;
mod evidence;
mod optimizers;
mod toy;
mod training;
