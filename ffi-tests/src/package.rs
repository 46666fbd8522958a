//! The package, installed once for all tests of a process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{command, run};

/// How a program is bound to the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkage {
    /// To the shared library.
    Shared,
    /// The static library becomes a part of the program.
    Static,
}

/// An installed package: libraries, headers, CMake and pkg-config files.
pub struct Package {
    prefix: PathBuf,
    scratch: PathBuf,
    /// Held as long as the process lives, so that another one does not install over a package in use.
    _lock: File,
}

impl Package {
    /// Builds the package with CMake and installs it below `folder`, the scratch folder that cargo gives to
    /// integration tests.
    ///
    /// The build folder is next to `folder`, in the target directory, and shared with `cargo xtask`: the library
    /// is compiled once.
    ///
    /// # Panics
    /// When the build or the installation fails.
    #[must_use]
    pub fn install(folder: &Path) -> Self {
        let lock = File::create(folder.join("ffi-tests.lock")).expect("the scratch folder is writable");
        lock.lock().expect("the scratch folder can be locked");
        let prefix = folder.join("prefix");
        let build = folder.parent().expect("the scratch folder is in the target directory").join("package");
        let options = ["-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_INSTALL_LIBDIR=lib"];
        run(command("cmake", options).arg("-S").arg(root()).arg("-B").arg(&build));
        run(command("cmake", ["--build"]).arg(&build));
        if prefix.exists() {
            fs::remove_dir_all(&prefix).expect("the old package can be removed");
        }
        run(command("cmake", ["--install"]).arg(&build).arg("--prefix").arg(&prefix));
        Self { prefix, scratch: folder.to_owned(), _lock: lock }
    }

    /// The folder that `include`, `lib` and `share` are in.
    #[must_use]
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// The shared library, by the name that the linker looks for.
    #[must_use]
    pub fn library(&self) -> PathBuf {
        self.prefix.join("lib/libkakeyaturbo.so")
    }

    /// The text of an installed header.
    ///
    /// # Panics
    /// When there is no such header.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let path = self.prefix.join("include/kakeyaturbo").join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The folder where cargo keeps what it compiled for the package.
    #[must_use]
    pub fn cargo_folder(&self) -> PathBuf {
        self.scratch.with_file_name("package").join("cargo")
    }

    /// An empty folder for what a test makes.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn scratch(&self, name: &str) -> PathBuf {
        let folder = self.scratch.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("an old scratch folder can be removed");
        }
        fs::create_dir_all(&folder).expect("the scratch folder is writable");
        folder
    }

    /// What `pkg-config` says about the package, with `options` as `--libs`.
    ///
    /// # Panics
    /// When pkg-config does not know the package.
    #[must_use]
    pub fn pkg_config(&self, options: &[&str]) -> Vec<String> {
        let mut pkg_config = command("pkg-config", options);
        pkg_config.arg("kakeyaturbo").env("PKG_CONFIG_PATH", self.prefix.join("lib/pkgconfig"));
        run(&mut pkg_config).split_whitespace().map(str::to_owned).collect()
    }

    /// Compiles one source file with every warning an error, and binds it to the library. The compiler is taken
    /// to be a C++ compiler where its name ends in `++`.
    ///
    /// # Panics
    /// When it does not compile or link.
    #[must_use]
    pub fn compile(
        &self,
        compiler: &str,
        source: &Path,
        output: &Path,
        linkage: Linkage,
        flags: &[&str],
    ) -> PathBuf {
        let standard = if compiler.ends_with("++") { "-std=c++17" } else { "-std=c11" };
        let mut compile = command(compiler, [standard]);
        compile.args(WARNINGS).args(["-g", "-O1"]).args(flags).arg(source).arg("-o").arg(output);
        compile.args(self.pkg_config(&["--cflags"]));
        self.link(&mut compile, linkage);
        run(compile.args(["-pthread", "-lm"]));
        output.to_owned()
    }

    fn link(&self, compile: &mut Command, linkage: Linkage) {
        match linkage {
            Linkage::Shared => {
                let path = format!("-Wl,-rpath,{}", self.prefix.join("lib").display());
                compile.args(self.pkg_config(&["--libs"])).arg(path);
            }
            // Where both libraries are there, the linker takes the shared one unless told the file.
            Linkage::Static => {
                let flags = self.pkg_config(&["--static", "--libs"]);
                compile.args(flags.iter().map(|flag| flag.replace("-lkakeyaturbo", "-l:libkakeyaturbo.a")));
            }
        }
    }
}

/// The warnings under which a user's own code, and so our headers, must be clean.
pub const WARNINGS: [&str; 6] = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"];

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A file or folder of this crate.
#[must_use]
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
