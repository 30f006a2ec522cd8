//! Time, randomness and tasks of a window or worker: the only place that asks the browser for them.

use super::{js, registry};
use crate::engine::ports::Host;
use futures_channel::oneshot;
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, pending};
use js_sys::{Date, Uint8Array};
use std::cell::RefCell;
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;

/// Longest wait of one browser timer, in milliseconds; more would fire at once.
const MAX_TIMER_MS: u64 = i32::MAX as u64;
/// Most bytes of one call for randomness.
const MAX_RANDOM_BYTES: usize = 65_536;
/// Bytes asked for at once where little is wanted: a bulk write makes an id for each record.
const POOL_BYTES: usize = 1280;

thread_local! {
    static POOL: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The browser's clocks, randomness and task queue.
#[derive(Debug, Clone, Copy, Default)]
pub struct BrowserHost;

impl Host for BrowserHost {
    fn now_ms(&self) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a clock before 1970 counts as 1970"
        )]
        let now = system_ms() as u64;
        now
    }

    fn monotonic_ms(&self) -> f64 {
        let performance = js::global("performance");
        let now = performance.and_then(|performance| js::call(&performance, "now", &[]).ok());
        now.and_then(|now| now.as_f64()).unwrap_or_else(system_ms)
    }

    fn random(&self, bytes: &mut [u8]) {
        fill(bytes);
    }

    fn unique(&self, bytes: &mut [u8]) {
        if bytes.len() > POOL_BYTES {
            return fill(bytes);
        }
        POOL.with_borrow_mut(|pool| {
            if pool.len() < bytes.len() {
                pool.resize(POOL_BYTES, 0);
                fill(pool);
            }
            // What was given out is gone from the pool.
            bytes.copy_from_slice(&pool.split_off(pool.len() - bytes.len()));
        });
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        sleep(ms).boxed_local()
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        wasm_bindgen_futures::spawn_local(task);
    }
}

fn fill(bytes: &mut [u8]) {
    let crypto = js::global("crypto").expect("every browser that runs WebAssembly has crypto");
    for part in bytes.chunks_mut(MAX_RANDOM_BYTES) {
        let filled = Uint8Array::new_with_length(u32::try_from(part.len()).expect("a part is small"));
        js::call(&crypto, "getRandomValues", &[filled.clone().into()])
            .expect("getRandomValues refuses only more than 65,536 bytes");
        filled.copy_to(part);
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that asks")]
pub(super) fn system_ms() -> f64 {
    Date::now()
}

/// Resolves after at least `ms` milliseconds; never once the instance is dead, whose tasks rest for ever.
pub(super) async fn sleep(ms: u64) {
    let mut left = ms;
    loop {
        let part = left.min(MAX_TIMER_MS);
        timer(part).await;
        if registry::is_dead() {
            pending::<()>().await;
        }
        left -= part;
        if left == 0 {
            return;
        }
    }
}

async fn timer(ms: u64) {
    let (fire, fired) = oneshot::channel();
    let callback = Closure::once(move || {
        // Nobody waits any longer when the sleep was dropped.
        let _ = fire.send(());
    });
    #[expect(clippy::cast_precision_loss, reason = "at most 2^31")]
    let started = js::call(&js_sys::global(), "setTimeout", &[callback.as_ref().clone(), JsValue::from_f64(ms as f64)]);
    let _running = Timer(started.expect("windows and workers have setTimeout"));
    let _ = fired.await;
}

/// A running timer; dropping it stops it.
struct Timer(JsValue);

impl Drop for Timer {
    fn drop(&mut self) {
        let _ = js::call(&js_sys::global(), "clearTimeout", std::slice::from_ref(&self.0));
    }
}
