//! Asks the linker to keep what `bundle` needs to cut the module into parts, and for a stack on which an unoptimised module can take over the
//! table of pages: its type is as deep as the table is long, and one MiB, the default, was not enough any more.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_FAMILY").as_deref() == Ok("wasm") {
        println!("cargo::rustc-link-arg-cdylib=--emit-relocs");
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=8388608");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
