//! Turns the list of variants into the enums that the rest of the workspace works with.

use vae_core::{PriorKind, VariantConfig};

/// What help texts, listings and checks need to know of a variant.
#[derive(Debug, Clone)]
pub struct VariantInfo {
    /// Name on the command line and in configuration files.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// The paper it follows.
    pub paper: &'static str,
    /// Arguments of an example run.
    pub example: &'static str,
    /// Settings that have other defaults with it, by dotted key.
    pub settings: &'static [(&'static str, &'static str)],
    /// The priors that it can have.
    pub priors: &'static [PriorKind],
}

impl VariantInfo {
    /// What is known of a variant.
    pub(crate) fn of<V: VariantConfig>(_: &V) -> Self {
        Self {
            name: V::NAME,
            summary: V::SUMMARY,
            paper: V::PAPER,
            example: V::EXAMPLE,
            settings: V::SETTINGS,
            priors: V::PRIORS,
        }
    }
}

/// Generates [`Variant`](crate::Variant) and [`Methods`](crate::Methods), the enums of all options and
/// of all methods, and the macros by which their functions call that of
/// the one there is.
macro_rules! registry {
    ($d:tt $($name:ident),* $(,)?) => {
        /// A variant and its options: the `[variant]` table of a configuration.
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(tag = "name", rename_all = "kebab-case")]
        pub enum Variant {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )*
        }

        /// The method of any variant.
        #[derive(burn::module::Module, Debug)]
        pub enum Methods<B: burn::tensor::backend::Backend> {
            $(
                #[doc = concat!("That of [`", stringify!($name), "`].")]
                $name(<$name as vae_core::VariantConfig>::Method<B>),
            )*
        }

        /// `of_any!(self, Variant: any => any.call())`
        macro_rules! of_any {
            ($d self:expr, $d kind:ident: $d any:ident => $d call:expr) => {
                match $d self { $($d kind::$name($d any) => $d call),* }
            };
        }

        /// As `of_any!`, for calls that give a [`Methods`] of the same variant.
        macro_rules! map_any {
            ($d self:expr, $d kind:ident: $d any:ident => $d call:expr) => {
                match $d self { $($d kind::$name($d any) => Methods::$name($d call)),* }
            };
        }

        $(
            impl From<$name> for Variant {
                fn from(variant: $name) -> Self {
                    Self::$name(variant)
                }
            }
        )*

        impl Variant {
            /// Every variant with its defaults, in the order of the registry.
            pub fn all() -> Vec<Self> {
                vec![$(Self::$name($name::default())),*]
            }
        }
    };
}

pub(crate) use registry;
