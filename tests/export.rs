//! `vae export` and `vae import` from outside. What ONNX Runtime and PyTorch make of it: tests/export/check.py.

mod common;

use common::{Place, SMALL, assert_same_bytes, assert_says};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_model_is_exported_and_comes_back() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out run --quiet"));
    let said = stderr(&place.run("export run"));
    assert_says(
        &said,
        &[
            "encoder: differs",
            "decoder: differs",
            "score: differs",
            "files written",
        ],
    );
    for name in [
        "encoder.onnx",
        "decoder.onnx",
        "score.onnx",
        "model.py",
        "check.py",
        "rows.safetensors",
    ] {
        assert!(place.join("run/export").join(name).is_file(), "{name}");
    }
    // Nothing is replaced unless that is asked for.
    let message = place.fail("export run");
    assert_says(&message, &["run/export is not empty", "--force"]);
    place.run("export run --force --format onnx --no-score --quiet");

    place.run("import run run/export/model.safetensors --out again");
    place.run("encode run --first 30 --out a.csv --quiet");
    place.run("encode again --dataset mnist-mini --split test --first 30 --out b.csv --quiet");
    let codes = |name: &str| String::from_utf8(place.bytes(name)).unwrap();
    assert!(codes("a.csv").lines().count() == 31);
    place.run("decode run a.csv --out a.npy --quiet");
    place.run("decode again a.csv --out b.npy --quiet");
    assert_same_bytes(&place, "a.npy", "b.npy");
    assert_says(
        &place.fail("import run run/model.safetensors --out again"),
        &["again is not empty"],
    );
}

/// A file of safetensors like that of the model, with a change.
fn changed(
    place: &Place,
    change: impl Fn(&str, &TensorView<'_>) -> Option<(String, Dtype, Vec<usize>, Vec<u8>)>,
) {
    let bytes = place.bytes("run/model.safetensors");
    let found = SafeTensors::deserialize(&bytes).unwrap();
    let parts: Vec<_> = found
        .iter()
        .filter_map(|(name, view)| change(name, &view))
        .collect();
    let views = parts.iter().map(|(name, dtype, shape, data)| {
        (
            name.as_str(),
            TensorView::new(*dtype, shape.clone(), data).unwrap(),
        )
    });
    place.write(
        "bad.safetensors",
        safetensors::serialize(views, None).unwrap(),
    );
}

#[test]
fn weights_that_do_not_fit_are_refused_by_name() {
    let place = Place::new();
    place.run(&format!("{SMALL} --out run --quiet"));
    const NAME: &str = "parts.networks.decoder.head.bias";
    let as_it_is = |name: &str, view: &TensorView<'_>| {
        (
            name.to_owned(),
            view.dtype(),
            view.shape().to_vec(),
            view.data().to_vec(),
        )
    };
    let refused = |parts: &[&str]| {
        let message = place.fail("import run bad.safetensors --out new");
        assert_says(&message, &[&["bad.safetensors"], parts].concat());
        assert!(!place.join("new").exists());
    };
    changed(&place, |name, view| {
        (name != NAME).then(|| as_it_is(name, view))
    });
    refused(&["has no tensor", NAME]);
    changed(&place, |name, view| {
        let (old, dtype, shape, data) = as_it_is(name, view);
        let name = if old == NAME {
            "decoder.head.bias".to_owned()
        } else {
            old
        };
        Some((name, dtype, shape, data))
    });
    refused(&["has no tensor", NAME, "it has `decoder.head.bias`"]);
    changed(&place, |name, view| {
        let (name, dtype, mut shape, mut data) = as_it_is(name, view);
        if name == NAME {
            shape[0] += 1;
            data.extend([0; 4]);
        }
        Some((name, dtype, shape, data))
    });
    refused(&[NAME, "has the shape [785], and must have [784]"]);
    changed(&place, |name, view| {
        let (name, mut dtype, shape, mut data) = as_it_is(name, view);
        if name == NAME {
            dtype = Dtype::F16;
            data.truncate(data.len() / 2);
        }
        Some((name, dtype, shape, data))
    });
    refused(&[NAME, "type F16, and must have F32"]);
    changed(&place, |name, view| {
        let (name, dtype, shape, mut data) = as_it_is(name, view);
        if name == NAME {
            data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        }
        Some((name, dtype, shape, data))
    });
    refused(&[NAME, "has the number NaN"]);
    place.write("bad.safetensors", b"PK\x03\x04archive/data.pkl");
    refused(&["pickle of PyTorch", "safetensors.torch.save_file"]);
    place.write("bad.safetensors", [0x80, 0x02, 0x7d]);
    refused(&["pickle of PyTorch"]);
    place.write(
        "bad.safetensors",
        &place.bytes("run/model.safetensors")[..500],
    );
    refused(&["is no file of safetensors"]);
    assert_says(
        &place.fail("import run none.safetensors --out new"),
        &["none.safetensors cannot be read"],
    );
    assert_says(
        &place.fail("import . bad.safetensors --out new"),
        &["holds no model"],
    );
}
