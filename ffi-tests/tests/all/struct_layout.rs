//! C and Rust agree on the size of every struct, the place of every field, and the defaults.

use std::fmt::Write as _;
use std::mem::{offset_of, size_of};

use ffi_tests::{Linkage, execute};
use kakeyaturbo::ffi;

use crate::PACKAGE;

/// A C program that prints sizes and offsets, what it has to print, and the structs with their fields.
#[derive(Default)]
struct Layout {
    program: String,
    expected: String,
    structs: Vec<(&'static str, Vec<&'static str>)>,
}

macro_rules! layout {
    ($($name:ident { $($field:ident)* })*) => {{
        let mut layout = Layout::default();
        $(
            // Does not compile while a field is missing from the list.
            let _: fn(ffi::$name) = |ffi::$name { $($field: _),* }| {};
            let name = stringify!($name);
            layout.structs.push((name, vec![$(stringify!($field)),*]));
            layout.line(name, &format!("sizeof({name})"), size_of::<ffi::$name>());
            $(
                let field = stringify!($field);
                let place = offset_of!(ffi::$name, $field);
                layout.line(&format!("{name}.{field}"), &format!("offsetof({name}, {field})"), place);
            )*
        )*
        layout
    }};
}

impl Layout {
    fn line(&mut self, what: &str, expression: &str, value: usize) {
        writeln!(self.program, "    printf(\"{what} %zu\\n\", {expression});")
            .expect("a string takes everything");
        writeln!(self.expected, "{what} {value}").expect("a string takes everything");
    }
}

fn layout() -> Layout {
    layout! {
        kakeya_params {
            struct_size preset distortion rate_control bits step rows_per_run max_bytes max_abs_error variance_ratio max_rank
            kmeans_k kmeans_iters effort max_protected seed nan_policy checksum cpu_tier reserved
        }
        kakeya_segment { struct_size dim gain raw_dtype rope n_rot inv_freq }
        kakeya_layout { struct_size n_segments segments }
        kakeya_view { struct_size data dtype row_stride col_stride }
        kakeya_view_mut { struct_size data dtype row_stride col_stride }
        kakeya_rows { struct_size n_rows views positions weights protect }
        kakeya_rows_mut { struct_size n_rows views positions }
        kakeya_block_info {
            version preset distortion flags n_rows dim rank n_centres bits step rows_per_run n_protected bytes
            raw_bytes fingerprint certified_error
        }
        kakeya_fit_report {
            n_rows rank captured_variance coding_gain n_centres predicted_bpv predicted_error skeleton_bytes
        }
        kakeya_stream_key { struct_size n_layers layers n_heads heads part reserved }
        kakeya_quality { struct_size name step reserved mean_kld bpv }
        kakeya_policy { struct_size n_sinks n_recent n_raw_layers raw_layers }
        kakeya_profile_codec_options { struct_size quality step bits max_bytes cpu_tier reserved }
        kakeya_stream_info {
            n_layers layers n_heads heads part preset distortion rate_control n_segments dim raw_row_bytes
            skeleton_bytes skeleton_id step_factor needs_positions
        }
        kakeya_encode_item { struct_size rows dst dst_cap }
        kakeya_decode_item { struct_size src src_len rows }
        kakeya_batch_result { status reserved bytes message }
    }
}

#[test]
fn c_and_rust_agree() {
    let Layout { program, expected, .. } = layout();
    let folder = PACKAGE.scratch("struct_layout");
    let source = folder.join("layout.c");
    let includes = "#include <kakeyaturbo/profile.h>\n#include <stdio.h>\n";
    let text = format!("{includes}\nint main(void) {{\n{program}    return 0;\n}}\n");
    std::fs::write(&source, text).expect("the scratch folder is writable");
    for compiler in ["gcc", "clang"] {
        let output = folder.join(compiler);
        let printed = execute(PACKAGE.compile(compiler, &source, &output, Linkage::Shared, &[]));
        assert_eq!(printed, expected, "{compiler} (left) and Rust (right)");
    }
}

/// `KAKEYA_*_INIT` is to the byte what `kakeya_*_init` writes, field by field: padding is nobody's.
#[test]
fn static_initialisers_are_the_defaults() {
    let mut program = String::new();
    let mut expected = String::new();
    for (name, fields) in layout().structs.iter().filter(|(_, fields)| fields[0] == "struct_size") {
        let macro_name = format!("{}_INIT", name.to_uppercase());
        writeln!(
            program,
            "    {{\n        static const {name} fixed = {macro_name};\n        {name} filled;"
        )
        .expect("a string takes everything");
        writeln!(program, "        memset(&filled, 0xA5, sizeof filled);")
            .expect("a string takes everything");
        writeln!(program, "        if ({name}_init(&filled, sizeof filled) != KAKEYA_OK) return 1;")
            .expect("a string takes everything");
        for field in fields {
            let compare =
                format!("memcmp(&fixed.{field}, &filled.{field}, sizeof fixed.{field}) == 0 ? \"=\" : \"!\"");
            writeln!(program, "        printf(\"{name}.{field} %s\\n\", {compare});")
                .expect("a string takes everything");
            writeln!(expected, "{name}.{field} =").expect("a string takes everything");
        }
        writeln!(program, "    }}").expect("a string takes everything");
    }
    assert!(expected.contains("kakeya_params.bits =") && expected.contains("kakeya_stream_key.part ="));
    let folder = PACKAGE.scratch("static_initialisers");
    let includes = "#include <kakeyaturbo/profile.h>\n#include <stdio.h>\n#include <string.h>\n";
    let text = format!("{includes}\nint main(void) {{\n{program}    return 0;\n}}\n");
    for (compiler, file) in [("gcc", "init.c"), ("clang", "init.c"), ("g++", "init.cpp")] {
        let source = folder.join(file);
        std::fs::write(&source, &text).expect("the scratch folder is writable");
        let output = folder.join(compiler);
        let printed = execute(PACKAGE.compile(compiler, &source, &output, Linkage::Shared, &[]));
        assert_eq!(printed, expected, "{compiler} (left)");
    }
}

#[test]
fn every_struct_of_the_header_is_compared() {
    let header = PACKAGE.header("kakeyaturbo.h") + &PACKAGE.header("profile.h");
    let mut declared: Vec<&str> =
        header.lines().filter_map(|line| line.strip_prefix("typedef struct ")?.strip_suffix(" {")).collect();
    let mut compared: Vec<&str> = layout().structs.iter().map(|(name, _)| *name).collect();
    declared.sort_unstable();
    compared.sort_unstable();
    assert_eq!(declared, compared);
}
