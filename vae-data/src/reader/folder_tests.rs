use image::{GrayImage, Rgb, RgbImage};

use super::*;
use crate::{Dataset, NoProgress};

struct Images(tempfile::TempDir);

impl Images {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn grey(&self, name: &str, size: u32, value: u8) {
        let image = GrayImage::from_pixel(size, size, image::Luma([value]));
        image.save(self.path(name)).unwrap();
    }

    fn read(&self, change: impl Fn(&mut DataConfig)) -> Result<Arc<dyn Dataset>, String> {
        let mut config = DataConfig::default();
        change(&mut config);
        let place = self.0.path().display().to_string();
        let result = Folder.open(self.0.path(), &config, &NoProgress);
        result
            .map(|source| source.train)
            .map_err(|e| e.to_string().replace(&place, ""))
    }
}

fn row(pixels: &Arc<dyn Dataset>, index: usize) -> Vec<f32> {
    let mut out = vec![0.0; pixels.shape().features()];
    pixels.read(index, &mut out).unwrap();
    out
}

#[test]
fn subfolders_are_classes() {
    let folder = Images::new();
    folder.grey("dog/1.png", 2, 51);
    folder.grey("cat/2.PNG", 2, 255);
    folder.grey("cat/1.jpeg", 2, 0);
    folder.path("empty/readme.txt");
    fs::write(folder.path("cat/notes.txt"), "x").unwrap();
    let pixels = folder.read(|_| {}).unwrap();
    assert_eq!(pixels.classes(), ["cat", "dog"]);
    assert_eq!([0, 1, 2].map(|i| pixels.label(i)), [0, 0, 1]);
    assert_eq!(pixels.shape().dims(), [1, 2, 2]);
    assert_eq!(row(&pixels, 1), [1.0; 4]);
    assert_eq!(row(&pixels, 2), [0.2; 4]);
    folder.grey("loose.png", 2, 0);
    assert!(folder.read(|_| {}).err().unwrap().contains("loose.png"));
}

/// The formats without loss give the pixels that were written, grey and in colour.
#[test]
fn every_format_is_read() {
    let folder = Images::new();
    for name in ["a.bmp", "b.TIFF", "c.tif", "d.webp", "e.png"] {
        let pixel = Rgb([255, 0, 51]);
        RgbImage::from_pixel(3, 2, pixel)
            .save(folder.path(name))
            .unwrap();
    }
    let pixels = folder.read(|_| {}).unwrap();
    assert_eq!((pixels.len(), pixels.shape().dims()), (5, &[3, 2, 3][..]));
    let colour = [[1.0; 6], [0.0; 6], [0.2; 6]].concat();
    for index in 0..5 {
        assert_eq!(row(&pixels, index), colour, "{index}");
    }
}

#[test]
fn a_flat_folder_has_no_classes() {
    let folder = Images::new();
    let mut image = RgbImage::from_pixel(2, 1, Rgb([255, 0, 51]));
    image.put_pixel(1, 0, Rgb([0, 255, 51]));
    image.save(folder.path("a.png")).unwrap();
    folder.grey("b.png", 1, 9);
    let pixels = folder
        .read(|c| c.image_size = Some("1x2".parse().unwrap()))
        .unwrap();
    assert!(pixels.classes().is_empty());
    // One colour image makes all of them RGB, channel after channel.
    assert_eq!(pixels.shape().dims(), [3, 1, 2]);
    assert_eq!(row(&pixels, 0), [1.0, 0.0, 0.0, 1.0, 0.2, 0.2]);
    let grey = |c: &mut DataConfig| {
        c.image_size = Some("1x2".parse().unwrap());
        c.color = Color::Grey;
    };
    assert_eq!(folder.read(grey).unwrap().shape().dims(), [1, 1, 2]);
}

#[test]
fn sizes_must_agree_or_be_set() {
    let folder = Images::new();
    folder.grey("a.png", 4, 100);
    folder.grey("b.png", 4, 100);
    folder.grey("c.png", 6, 200);
    let error = folder.read(|_| {}).err().unwrap();
    let expected = "images differ in size: /a.png is 4x4 and /c.png is 6x6 (height x width); \
                    set `image_size` (--image-size) to resize all of them";
    assert_eq!(error, expected);
    let pixels = folder
        .read(|c| c.image_size = Some("3".parse().unwrap()))
        .unwrap();
    assert_eq!(pixels.shape().dims(), [1, 3, 3]);
    assert_eq!(row(&pixels, 2), [200.0 / 255.0; 9]);
}

#[test]
fn bad_images_are_named_or_skipped() {
    let folder = Images::new();
    folder.grey("a.png", 64, 51);
    folder.grey("c.png", 64, 255);
    fs::write(folder.path("b.png"), "no image").unwrap();
    // A good header, but the pixels break off.
    let whole = fs::read(folder.path("a.png")).unwrap();
    fs::write(folder.path("aa.png"), &whole[..whole.len() - 30]).unwrap();
    let error = folder.read(|_| {}).err().unwrap();
    assert!(error.starts_with("/b.png cannot be decoded"), "{error}");
    assert!(error.contains("--skip-bad"), "{error}");
    let pixels = folder.read(|c| c.skip_bad = true).unwrap();
    assert_eq!(pixels.len(), 2);
    assert_eq!([row(&pixels, 0)[0], row(&pixels, 1)[0]], [0.2, 1.0]);
}

#[test]
fn nothing_to_read_is_an_error() {
    let folder = Images::new();
    assert!(folder.read(|_| {}).err().unwrap().contains("holds no PNG"));
    fs::write(folder.path("a.png"), "x").unwrap();
    let error = folder.read(|c| c.skip_bad = true).err().unwrap();
    assert!(
        error.contains("holds no image that can be decoded"),
        "{error}"
    );
}

#[test]
fn pixels_that_do_not_fit_into_memory_are_refused() {
    let shape = DataShape::new([3, 64, 64]).unwrap();
    let check = |free| check_memory(Path::new("photos"), 1 << 20, &shape, free);
    // 2^20 images of 12 KiB.
    let error = check(Some(8 << 30)).unwrap_err().to_string();
    let expected = "the 1048576 images of photos take 12.0 GiB as pixels of shape 3x64x64, and 8.0 GiB of \
                    memory are free; set a smaller `image_size` (--image-size), or put fewer images into the \
                    folder";
    assert_eq!(error, expected);
    assert!(check(Some(12 << 30)).is_ok() && check(None).is_ok());
}

/// By a file's own failure, not by the first that a thread finds.
#[test]
fn the_first_bad_image_is_named_whatever_the_threads() {
    let folder = Images::new();
    for i in 0..40 {
        folder.grey(&format!("{i:02}.png"), 8, 51);
    }
    for bad in ["17", "18", "31"] {
        fs::write(folder.path(&format!("{bad}.png")), "no image").unwrap();
    }
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let read = || {
            folder.read(|c| {
                c.image_size = Some("4".parse().unwrap());
                c.color = Color::Grey;
            })
        };
        let error = pool.build().unwrap().install(read).err().unwrap();
        assert!(error.starts_with("/17.png cannot be decoded"), "{error}");
    }
}
