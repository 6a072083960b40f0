//! The names of image files in a folder.

use std::{
    collections::HashSet,
    path::{Component, Path, PathBuf},
};

/// Gives each image the name of a PNG file, once.
#[derive(Default)]
pub struct Names(HashSet<PathBuf>);

impl Names {
    /// The file of an image with this name, its folders included and with the ending of PNG files; what had the same name
    /// but for its ending keeps that before the new one.
    pub fn of(&mut self, name: &str) -> PathBuf {
        // Nothing is written outside of the folder.
        let parts = Path::new(name).components();
        let inside: PathBuf = parts
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect();
        let mut file = inside.with_extension("png");
        if !self.0.insert(file.clone()) {
            file = PathBuf::from(format!("{}.png", inside.display()));
            self.0.insert(file.clone());
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_image_has_a_file_of_its_own_in_the_folder() {
        let mut names = Names::default();
        let given = ["a/x.jpg", "b/x.jpg", "a/x.png", "../../y.bmp", "7"];
        let found = given.map(|name| names.of(name));
        let expected = ["a/x.png", "b/x.png", "a/x.png.png", "y.png", "7.png"];
        assert_eq!(found, expected.map(PathBuf::from));
    }
}
