use proptest::prelude::*;

use super::*;
use crate::{DataConfig, UNLABELLED, load};

/// A `.npy` file as NumPy writes it.
fn encode(kind: &str, fortran: bool, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let shape: Vec<String> = shape.iter().map(|d| format!("{d},")).collect();
    let order = if fortran { "True" } else { "False" };
    let mut header = format!(
        "{{'descr': '{kind}', 'fortran_order': {order}, 'shape': ({}), }}",
        shape.join(" ")
    );
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

fn array(bytes: Vec<u8>) -> Result<Array, DataError> {
    Array::new("x.npy".into(), Bytes::Owned(bytes))
}

fn dataset(bytes: Vec<u8>) -> ArrayDataset {
    ArrayDataset::new(array(bytes).unwrap(), Labels::default()).unwrap()
}

fn row(set: &ArrayDataset, index: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; set.shape().features()];
    set.read(index, &mut out).unwrap();
    out
}

fn floats(n: usize) -> Vec<u8> {
    (0..n).flat_map(|i| (i as f32).to_le_bytes()).collect()
}

#[test]
fn all_number_types_and_byte_orders_are_read() {
    let expect = |kind: &str, data: &[u8], expected: [f32; 2]| {
        assert_eq!(
            row(&dataset(encode(kind, false, &[1, 2], data)), 0),
            expected
        );
    };
    expect("|u1", &[51, 255], [0.2, 1.0]);
    expect("|b1", &[0, 1], [0.0, 1.0]);
    // Pixels are bytes; other whole numbers are what they say.
    expect("|i1", &[0xfe, 127], [-2.0, 127.0]);
    expect("<i2", &[0xfe, 0xff, 0x2c, 1], [-2.0, 300.0]);
    expect(">u2", &[0xff, 0xfe, 1, 0x2c], [65_534.0, 300.0]);
    expect(
        "<i4",
        &[0xfe, 0xff, 0xff, 0xff, 0, 0, 1, 0],
        [-2.0, 65_536.0],
    );
    let wide = |numbers: [u64; 2]| numbers.map(u64::to_le_bytes).concat();
    expect(
        "<i8",
        &wide([-7_i64 as u64, 1 << 40]),
        [-7.0, (1_u64 << 40) as f32],
    );
    expect("<u8", &wide([u64::MAX, 3]), [u64::MAX as f32, 3.0]);
    let bytes = |f: fn(f32) -> Vec<u8>| [f(-1.5), f(3.0)].concat();
    expect("<f4", &bytes(|v| v.to_le_bytes().into()), [-1.5, 3.0]);
    expect(">f4", &bytes(|v| v.to_be_bytes().into()), [-1.5, 3.0]);
    expect(
        "<f8",
        &bytes(|v| f64::from(v).to_le_bytes().into()),
        [-1.5, 3.0],
    );
    expect(
        ">f8",
        &bytes(|v| f64::from(v).to_be_bytes().into()),
        [-1.5, 3.0],
    );
}

#[test]
fn axes_are_told_apart_by_their_lengths() {
    let shape = |dims: &[usize]| {
        let bytes = encode("<f4", false, dims, &floats(dims.iter().product()));
        dataset(bytes).shape().to_string()
    };
    assert_eq!(shape(&[2, 6]), "6");
    assert_eq!(shape(&[2, 5, 6]), "1x5x6");
    assert_eq!(shape(&[2, 3, 5, 6]), "3x5x6");
    assert_eq!(shape(&[2, 5, 6, 3]), "3x5x6");
    assert_eq!(shape(&[2, 3, 4, 3]), "3x4x3");
    let last = dataset(encode("<f4", false, &[2, 5, 6, 3], &floats(180)));
    // Example 1, channel 2, line 0: 90 + 2, and then every third number.
    assert_eq!(row(&last, 1)[60..63], [92.0, 95.0, 98.0]);
}

#[test]
fn fortran_order_is_read() {
    // [[0, 2, 4], [1, 3, 5]] column after column.
    let set = dataset(encode("<f4", true, &[2, 3], &floats(6)));
    assert_eq!(row(&set, 0), [0.0, 2.0, 4.0]);
    assert_eq!(row(&set, 1), [1.0, 3.0, 5.0]);
}

#[test]
fn faults_are_named() {
    let error = |bytes: Vec<u8>| array(bytes).err().unwrap().to_string();
    let whole = encode("<f4", false, &[2, 3], &floats(6));
    let cut = whole[..whole.len() - 1].to_vec();
    let text = format!("expected {} bytes, found {}", whole.len(), cut.len());
    assert!(error(cut).contains(&text));
    assert!(error(b"PK\x03\x04".to_vec()).contains("x.npy: expected a .npy array"));
    assert!(error(encode("<f2", false, &[2], &[])).contains("astype('float32')"));
    assert!(error(encode("<f4", false, &[usize::MAX, 9], &[])).contains("bounds"));
    let bad = |dims: &[usize], kind: &str| {
        let bytes = encode(
            kind,
            false,
            dims,
            &floats(dims.iter().product::<usize>() * 2),
        );
        let result = ArrayDataset::new(array(bytes).unwrap(), Labels::default());
        result.err().unwrap().to_string()
    };
    assert!(bad(&[2, 5, 6, 7], "<f4").contains("found shape [2, 5, 6, 7]"));
    assert!(bad(&[4], "<f4").contains("found shape [4]"));
    assert!(bad(&[2, 0], "<f4").contains("found shape [2, 0]"));
}

#[test]
fn labels_are_whole_numbers_of_any_size() {
    let read = |kind: &str, data: &[u8]| array(encode(kind, false, &[2], data)).unwrap().integers();
    assert_eq!(read("|u1", &[255, 1]).unwrap(), [255, 1]);
    assert_eq!(read("|i1", &[255, 1]).unwrap(), [-1, 1]);
    assert_eq!(read(">i2", &[0xff, 0xfe, 0, 3]).unwrap(), [-2, 3]);
    assert_eq!(
        read("<i8", &[[7, 0, 0, 0, 0, 0, 0, 0], [255; 8]].concat()).unwrap(),
        [7, -1]
    );
    assert!(
        read("<f4", &[0; 8])
            .unwrap_err()
            .to_string()
            .contains("whole numbers")
    );
}

#[test]
fn npy_files_are_mapped_not_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big.npy");
    std::fs::write(
        &path,
        encode("<f4", false, &[1000, 1000], &floats(1_000_000)),
    )
    .unwrap();
    let array = Array::new(path.clone(), Bytes::open(&path).unwrap()).unwrap();
    assert!(matches!(array.bytes, Bytes::Mapped(_)));
    let set = ArrayDataset::new(array, Labels::default()).unwrap();
    assert_eq!(row(&set, 999)[999], 999_999.0);
    let config = DataConfig::of(path.to_str().unwrap());
    let data = load(&config, 0, &crate::NoProgress).unwrap();
    assert_eq!((data.train.len(), data.name.as_str()), (810, "big.npy"));
    assert!(data.scaler.is_some(), "tables are standardised");
}

#[test]
fn npz_holds_splits_and_labels() {
    use std::io::Write;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keras.npz");
    let write = |arrays: &[(&str, Vec<u8>)]| {
        let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
        for (name, bytes) in arrays {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(format!("{name}.npy"), options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
    };
    let images = |n: usize| encode("|u1", false, &[n, 2, 2], &vec![255; n * 4]);
    let labels = |of: &[u8]| encode("|i1", false, &[of.len()], of);
    write(&[
        ("x_train", images(3)),
        ("y_train", labels(&[7, 255, 3])),
        ("x_test", images(2)),
        ("y_test", labels(&[3, 9])),
    ]);
    let open = || crate::reader::npz::Npz.open(&path, &DataConfig::default(), &crate::NoProgress);
    let source = open().unwrap();
    let test = source.test.clone().unwrap();
    assert_eq!(source.train.classes(), ["3", "7", "9"]);
    assert_eq!([0, 1, 2].map(|i| source.train.label(i)), [1, UNLABELLED, 0]);
    assert_eq!((test.len(), test.label(1)), (2, 2));
    assert!(source.pixels);

    // As scikit-learn's users name them, and whole numbers of two bytes.
    let table = encode("<i2", false, &[2, 2], &[1, 0, 2, 0, 3, 0, 0xff, 0xff]);
    write(&[("y", labels(&[1, 0])), ("X", table)]);
    let source = open().unwrap();
    let mut row = [0.0; 2];
    source.train.read(1, &mut row).unwrap();
    assert_eq!(
        (row, source.train.label(0), source.pixels),
        ([3.0, -1.0], 1, false)
    );
    write(&[("X", images(1)), ("x", images(2)), ("Y", labels(&[1, 2]))]);
    let source = open().unwrap();
    assert_eq!((source.train.len(), source.train.classes().len()), (2, 2));

    write(&[("whatever", images(3))]);
    assert_eq!(open().unwrap().train.len(), 3);
    write(&[("a", images(3)), ("b", images(3))]);
    let error = open().err().unwrap().to_string();
    assert!(error.ends_with("found arrays `a`, `b`"), "{error}");
    write(&[("x", images(3)), ("y", labels(&[1]))]);
    let error = open().err().unwrap().to_string();
    assert!(error.contains("expected 3 labels"), "{error}");
    std::fs::write(&path, "no zip").unwrap();
    assert!(open().err().unwrap().to_string().contains("a .npz archive"));
}

proptest! {
    #[test]
    fn reads_what_was_written(n in 1_usize..4, c in 1_usize..4, h in 5_usize..8, fortran: bool) {
        let (w, size) = (h + 1, n * c * h * (h + 1));
        let bytes = encode("<f4", fortran, &[n, c, h, w], &floats(size));
        let set = dataset(bytes.clone());
        for i in 0..n {
            let row = row(&set, i);
            for (f, value) in row.into_iter().enumerate() {
                let [z, y, x] = [f / (h * w), f / w % h, f % w];
                let place = if fortran {
                    i + n * (z + c * (y + h * x))
                } else {
                    i * c * h * w + f
                };
                prop_assert_eq!(value, place as f32);
            }
        }
        for cut in (0..bytes.len()).step_by(7) {
            prop_assert!(array(bytes[..cut].to_vec()).is_err());
        }
    }

    #[test]
    fn any_header_is_survived(bytes: Vec<u8>, shape in "[0-9, ()]{0,12}", kind in "[<>|]?.{0,3}") {
        let _ = array(bytes);
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        if let Ok(array) = array(bytes) {
            let _ = array.integers();
            let _ = ArrayDataset::new(array, Labels::default());
        }
    }
}

#[test]
fn what_is_written_is_read_again() {
    let values: Vec<f32> = (0..24).map(|i| i as f32 / 3.0 - 2.0).collect();
    let array = |shape: &[usize]| {
        let bytes = Bytes::Owned(to_npy(shape, &values));
        Array::new("a.npy".into(), bytes).unwrap()
    };
    for shape in [&[2, 12][..], &[2, 3, 4], &[2, 3, 2, 2]] {
        let array = array(shape);
        assert_eq!(array.offset % 64, 0);
        let dataset = ArrayDataset::new(array, Labels::default()).unwrap();
        let mut out = [0.0; 12];
        dataset.read(1, &mut out).unwrap();
        assert_eq!(out, values[12..], "{shape:?}");
    }
}
