//! Writes the C header into `OUT_DIR` and gives the shared library its soname.
//!
//! The header that consumers use is the committed copy under `include/`; a test compares the two, and
//! `cargo xtask header` copies this one over that one.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=src/ffi");
    println!("cargo::rerun-if-changed=cbindgen.toml");
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let version = |part: &str| env::var(format!("CARGO_PKG_VERSION{part}")).expect("cargo sets the version");
    let (major, minor, patch) = (version("_MAJOR"), version("_MINOR"), version("_PATCH"));

    let mut config =
        cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is readable");
    config.after_includes = Some(macros(&major, &minor, &patch));
    // File by file, in the order in which a reader of the header wants them.
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in [
        "version",
        "types",
        "profile_types",
        "status",
        "init",
        "codec",
        "workspace",
        "skeleton",
        "hash",
        "block",
        "batch",
        "profile",
        "profile_builder",
    ] {
        builder = builder.with_src(root.join("src/ffi").join(file).with_extension("rs"));
    }
    builder.generate().expect("src/ffi describes a C header").write_to_file(out.join("kakeyaturbo.h"));

    // Until 1.0 every minor version may break the ABI, so the minor number is part of the soname.
    let suffix = if major == "0" { format!("0.{minor}") } else { major };
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => {
            println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libkakeyaturbo.{suffix}.dylib")
        }
        Ok("windows") => {}
        _ => println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libkakeyaturbo.so.{suffix}"),
    }
}

/// The preprocessor part of the header: version numbers and symbol import.
fn macros(major: &str, minor: &str, patch: &str) -> String {
    format!(
        r#"
/** Version of the headers, to compare with kakeya_version_number(). */
#define KAKEYA_VERSION_MAJOR {major}
#define KAKEYA_VERSION_MINOR {minor}
#define KAKEYA_VERSION_PATCH {patch}
#define KAKEYA_VERSION_NUMBER (KAKEYA_VERSION_MAJOR * 1000000 + KAKEYA_VERSION_MINOR * 1000 + KAKEYA_VERSION_PATCH)
#define KAKEYA_VERSION_STRING "{major}.{minor}.{patch}"

#if defined(_WIN32) && defined(KAKEYA_SHARED)
#define KAKEYA_API __declspec(dllimport)
#else
#define KAKEYA_API
#endif
"#
    )
}
