//! The example of a variant outside the registry trains.

#[path = "../examples/own_variant.rs"]
mod own_variant;

#[test]
fn a_variant_outside_the_registry_trains() {
    let (before, after) = own_variant::train(1000, 4).unwrap();
    assert!(after < 0.6 * before, "test loss from {before} to {after}");
}
