//! Enumerations that are chosen by name.

/// Defines an enumeration whose members have kebab-case names: in files (serde), on
/// the command line ([`std::str::FromStr`]) and in messages ([`std::fmt::Display`]).
macro_rules! choices {
    (
        $(#[$meta:meta])*
        $name:ident ($key:literal) {
            $($(#[$note:meta])* $member:ident = $text:literal),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        pub enum $name {
            $($(#[$note])* #[serde(rename = $text)] $member),+
        }

        impl $name {
            /// Every member, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$member),+];

            /// The names of [`Self::ALL`].
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The name in files and on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$member => $text),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::DataError;

            fn from_str(text: &str) -> Result<Self, $crate::DataError> {
                Self::ALL.iter().copied().find(|c| c.name() == text).ok_or_else(|| {
                    let bound = format!("must be one of {}", Self::NAMES.join(", "));
                    $crate::DataError::setting($key, text, bound)
                })
            }
        }
    };
}
pub(crate) use choices;
