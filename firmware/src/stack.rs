//! How much of the stack was ever used. The stack is painted at the start. Bytes that are still painted
//! later were never used.
#![allow(unsafe_code)]

const PAINT: u32 = 0xACE5_ACE5;
/// Bytes above the stack's pointer that are left alone while it is painted.
const MARGIN: usize = 256;

unsafe extern "C" {
    // From memory.x: addresses, not variables.
    static _stack_end: u32;
    static _stack_start: u32;
}

/// The lowest address of the stack, and the one behind its highest.
fn bounds() -> (usize, usize) {
    ((&raw const _stack_end).addr(), (&raw const _stack_start).addr())
}

/// Bytes of the whole stack.
pub(crate) fn len() -> usize {
    let (low, high) = bounds();
    high - low
}

/// Paints the part that is not in use yet. Call it early, from a shallow depth.
pub(crate) fn paint() {
    let here = 0_u32;
    let (low, _) = bounds();
    for address in (low..(&raw const here).addr().saturating_sub(MARGIN)).step_by(4) {
        // SAFETY: the stack's memory below its pointer, which nobody uses.
        unsafe { core::ptr::with_exposed_provenance_mut::<u32>(address).write_volatile(PAINT) }
    }
}

/// Bytes that were never used.
pub(crate) fn unused() -> usize {
    let (low, high) = bounds();
    let is_painted = |address: &usize| {
        // SAFETY: within the stack, aligned; any bits are a number.
        let word = unsafe { core::ptr::with_exposed_provenance::<u32>(*address).read_volatile() };
        word == PAINT
    };
    (low..high).step_by(4).take_while(is_painted).count() * 4
}
