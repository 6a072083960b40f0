//! Compiles a loop for several instruction sets and picks one at run time.

/// Which instructions the loops may use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every processor of the architecture has.
    Base,
}

/// The best that this processor has. The answer is kept by the standard library.
#[inline]
pub(super) fn best() -> Isa {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected;
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            return Isa::Avx512;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Isa::Avx2;
        }
    }
    Isa::Base
}

/// A function whose body is compiled once for each instruction set. Inside it `FMA` says whether
/// a fused multiply-add is one instruction; what it calls must be `#[inline(always)]`.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<const FMA: bool>(
        $($argument:ident: $type:ty),* $(,)?
    ) $(-> $output:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name($($argument: $type),*) $(-> $output)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body<const FMA: bool>($($argument: $type),*) $(-> $output)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            fn avx512($($argument: $type),*) $(-> $output)? {
                body::<true>($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            fn avx2($($argument: $type),*) $(-> $output)? {
                body::<true>($($argument),*)
            }

            match $crate::ops::kernels::isa::best() {
                // SAFETY: `best` found the instructions on this processor.
                #[cfg(target_arch = "x86_64")]
                $crate::ops::kernels::isa::Isa::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::ops::kernels::isa::Isa::Avx2 => unsafe { avx2($($argument),*) },
                // Every 64-bit ARM has the instruction.
                $crate::ops::kernels::isa::Isa::Base => {
                    body::<{ cfg!(target_arch = "aarch64") }>($($argument),*)
                }
            }
        }
    };
}
pub(super) use vectorised;
