//! Tells the linker where the board's memory is, from the table of boards. Tells the program what was
//! chosen for this build. A build for the host needs neither.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::{env, fs};

use parlour_boards::{ADDRESS, BOARDS, Board, GATEWAY, Region};

/// A memory in which every program fits. A program that does not fit its board is measured in it.
const WIDE: usize = 64 << 20;

fn main() {
    println!("cargo:rerun-if-env-changed=PARLOUR_MEASURE");
    let chosen: Vec<&Board> = BOARDS.iter().filter(|board| is_chosen(board.name)).collect();
    match chosen[..] {
        [] => {}
        [board] => {
            let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where"));
            write_choices(board, &folder);
            write_memory(board, &folder);
        }
        _ => panic!("a program is for one board; choose the feature of one board only"),
    }
}

fn is_chosen(board: &str) -> bool {
    let feature = board.to_uppercase().replace('-', "_");
    env::var_os(format!("CARGO_FEATURE_{feature}")).is_some()
}

/// A choice of this build: a variable of the environment, or else the default.
fn choice(name: &str, default: &str) -> String {
    println!("cargo:rerun-if-env-changed={name}");
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn write_choices(board: &Board, folder: &Path) {
    let max_conns = choice("PARLOUR_MAX_CONNS", &board.sizes.max_conns.to_string());
    let max_conns: usize = max_conns.parse().expect("PARLOUR_MAX_CONNS is a number");
    let address = choice("PARLOUR_ADDRESS", ADDRESS);
    let (address, prefix) = address.split_once('/').expect("PARLOUR_ADDRESS is A.B.C.D/N");
    let address: Ipv4Addr = address.parse().expect("PARLOUR_ADDRESS is A.B.C.D/N");
    let prefix: u8 = prefix.parse().expect("PARLOUR_ADDRESS is A.B.C.D/N");
    assert!(prefix <= 32, "PARLOUR_ADDRESS has a mask of more than 32 bits");
    let gateway = choice("PARLOUR_GATEWAY", GATEWAY);
    let gateway: Ipv4Addr = gateway.parse().expect("PARLOUR_GATEWAY is A.B.C.D");
    let choices = format!(
        "pub(crate) const MAX_CONNS: usize = {max_conns};\n\
         pub(crate) const ADDRESS: [u8; 4] = {:?};\n\
         pub(crate) const PREFIX: u8 = {prefix};\n\
         pub(crate) const GATEWAY: [u8; 4] = {:?};\n",
        address.octets(),
        gateway.octets(),
    );
    fs::write(folder.join("choices.rs"), choices).expect("a writable folder");
}

fn write_memory(board: &Board, folder: &Path) {
    let measures = env::var_os("PARLOUR_MEASURE").is_some();
    let wide = |region: Region| if measures { Region { len: WIDE, ..region } } else { region };
    let (flash, ram) = (wide(board.flash), wide(board.ram));
    let stack: usize = choice("PARLOUR_STACK", &board.stack.to_string()).parse().expect("a number of bytes");
    // If both are one memory, a larger program would reach into the variables.
    let ram_origin = if measures { ram.origin + WIDE } else { ram.origin };
    let memory = format!(
        "MEMORY {{\n\
           FLASH : ORIGIN = {:#x}, LENGTH = {:#x}\n\
           STACK : ORIGIN = {ram_origin:#x}, LENGTH = {stack:#x}\n\
           RAM : ORIGIN = {:#x}, LENGTH = {:#x}\n\
         }}\n\
         _stack_end = ORIGIN(STACK);\n\
         _stack_start = ORIGIN(STACK) + LENGTH(STACK);\n\
         REGION_ALIAS(\"REGION_TEXT\", FLASH);\n\
         REGION_ALIAS(\"REGION_RODATA\", FLASH);\n\
         REGION_ALIAS(\"REGION_DATA\", RAM);\n\
         REGION_ALIAS(\"REGION_BSS\", RAM);\n\
         REGION_ALIAS(\"REGION_HEAP\", RAM);\n\
         REGION_ALIAS(\"REGION_STACK\", STACK);\n",
        flash.origin,
        flash.len,
        ram_origin + stack,
        ram.len - stack,
    );
    fs::write(folder.join("memory.x"), memory).expect("a writable folder");
    println!("cargo:rustc-link-search={}", folder.display());
    if board.target.starts_with("riscv") {
        println!("cargo:rustc-link-arg-bins=-Tmemory.x");
    }
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=-Tdefmt.x");
}
