//! Holds the source to the rings of ARCHITECTURE.md: paths point inward only, browser crates and `#[wasm_bindgen]` stay
//! where they belong, and no crate may use `unsafe`.

#![cfg(not(target_arch = "wasm32"))]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every module of the crate, with the modules it may name.
const RINGS: [(&str, &[&str]); 12] = [
    ("probe", &[]),
    ("model", &[]),
    ("clock", &["model"]),
    ("merge", &["probe", "model"]),
    ("migrate", &["model", "merge"]),
    ("crypto", &["model"]),
    ("fingerprint", &["model", "merge"]),
    ("protocol", &["probe", "model", "fingerprint"]),
    ("store", &["model"]),
    ("engine", &["probe", "model", "clock", "merge", "migrate", "crypto", "fingerprint", "protocol", "store"]),
    ("web", &["model", "clock", "merge", "crypto", "protocol", "store", "engine"]),
    ("bindings", &["model", "clock", "merge", "crypto", "protocol", "store", "engine", "web"]),
];
/// What the server may name of the engine.
const SERVER: [&str; 4] = ["model", "protocol", "merge", "fingerprint"];
/// The only modules that know the browser.
const BROWSER: [&str; 2] = ["web", "bindings"];
const BROWSER_CRATES: [&str; 5] = ["js_sys", "web_sys", "wasm_bindgen", "wasm_bindgen_futures", "serde_wasm_bindgen"];

/// Names, `::` and single signs of a source text, without comments, texts and white space.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(length) = raw_text(rest) {
            length
        } else if first == '"' {
            text(rest)
        } else if let Some(length) = character(rest) {
            length
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..end].to_owned());
            end
        } else {
            let sign = if rest.starts_with("::") { "::" } else { &rest[..first.len_utf8()] };
            if !first.is_whitespace() {
                tokens.push(sign.to_owned());
            }
            sign.len()
        };
        rest = &rest[length..];
    }
    tokens
}

fn raw_text(rest: &str) -> Option<usize> {
    let hashes = rest.strip_prefix('r')?.bytes().take_while(|b| *b == b'#').count();
    let body = rest[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(rest.len() - body.len() + body.find(&end)? + end.len())
}

fn text(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    rest.len()
}

/// A character such as `'{'` or `'\n'`, as opposed to a lifetime.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    let end = if body.starts_with('\\') { body[2..].find('\'')? + 2 } else { body.chars().next()?.len_utf8() };
    body[end..].starts_with('\'').then_some(end + 2)
}

/// The names that follow a path's start at `at`: one, or those of a braced list.
fn heads(tokens: &[String], at: usize) -> Vec<String> {
    if tokens.get(at).is_none_or(|token| token != "{") {
        return tokens.get(at).cloned().into_iter().collect();
    }
    let (mut found, mut depth) = (Vec::new(), 0);
    for (n, token) in tokens.iter().enumerate().skip(at) {
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => break,
            "}" => depth -= 1,
            _ if depth == 1 && matches!(tokens[n - 1].as_str(), "{" | ",") => found.push(token.clone()),
            _ => {}
        }
    }
    found
}

/// The top-level names a file reaches for; `module` is the file's own path in the crate.
fn reaches(module: &[&str], source: &str) -> BTreeSet<String> {
    let tokens = tokens(source);
    let mut found = BTreeSet::new();
    let mut depth = module.len();
    for (at, token) in tokens.iter().enumerate() {
        let is = |n: usize, text: &str| tokens.get(n).is_some_and(|token| token == text);
        if token == "mod" && is(at + 2, "{") {
            // The tests at a file's end are one module further in.
            depth = module.len() + 1;
        }
        let starts = at == 0 || !is(at - 1, "::");
        if token == "crate" && starts && is(at + 1, "::") {
            found.extend(heads(&tokens, at + 2));
        }
        if token == "super" && starts {
            let supers = tokens[at..].iter().step_by(2).take_while(|token| *token == "super").count();
            if supers == depth && is(at + 2 * supers - 1, "::") {
                found.extend(heads(&tokens, at + 2 * supers));
            }
        }
        if BROWSER_CRATES.contains(&token.as_str()) && starts {
            found.insert(token.clone());
        }
    }
    found
}

/// What is wrong with a file's paths.
fn wrong_paths(module: &[&str], source: &str) -> Vec<String> {
    let own = module[0];
    let Some((_, allowed)) = RINGS.iter().find(|(name, _)| *name == own) else {
        return vec![format!("{own} has no ring: give it one")];
    };
    let is_module = |name: &str| RINGS.iter().any(|(ring, _)| *ring == name);
    let mut wrong = Vec::new();
    for name in reaches(module, source) {
        if is_module(&name) && name != own && !allowed.contains(&name.as_str()) {
            wrong.push(format!("{} must not see {name}", module.join("::")));
        }
        if BROWSER_CRATES.contains(&name.as_str()) && !BROWSER.contains(&own) {
            wrong.push(format!("{} must not see the browser ({name})", module.join("::")));
        }
    }
    if has_attribute(source) && own != "bindings" && !(own == "web" && only_externs(source)) {
        wrong.push(format!("{} exports to JavaScript: only bindings do", module.join("::")));
    }
    wrong
}

fn has_attribute(source: &str) -> bool {
    tokens(source).windows(3).any(|at| at[0] == "#" && at[1] == "[" && at[2] == "wasm_bindgen")
}

/// Whether every outer `#[wasm_bindgen]` stands on an `extern` block: an import, not an export.
fn only_externs(source: &str) -> bool {
    let tokens = tokens(source);
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            "wasm_bindgen" if depth == 0 && tokens[at - 1] == "[" && tokens[at - 2] == "#" => {
                let end = tokens[at..].iter().position(|token| token == "]").unwrap_or(0);
                if tokens.get(at + end + 1).is_none_or(|next| next != "extern") {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn modules(file: &Path, folder: &Path) -> Vec<String> {
    let relative = file.strip_prefix(folder).unwrap().with_extension("");
    let parts = relative.iter().map(|part| part.to_str().unwrap().to_owned());
    parts.filter(|part| part != "mod").collect()
}

#[test]
fn every_path_in_the_crate_points_inward() {
    let folder = root().join("src");
    let mut wrong = Vec::new();
    let files = sources(&folder);
    for file in files.iter().filter(|file| !file.ends_with("src/lib.rs")) {
        let module = modules(file, &folder);
        let module: Vec<&str> = module.iter().map(String::as_str).collect();
        wrong.extend(wrong_paths(&module, &fs::read_to_string(file).unwrap()));
    }
    assert!(files.len() > 50, "the sources were found");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_server_uses_model_protocol_and_merge_only() {
    let files = sources(&root().join("../server/src"));
    assert!(files.len() > 20, "the sources were found");
    for file in files {
        let tokens = tokens(&fs::read_to_string(&file).unwrap());
        for (at, _) in tokens.iter().enumerate().filter(|(_, token)| *token == "mana_sync_engine") {
            for name in heads(&tokens, at + 2) {
                assert!(SERVER.contains(&name.as_str()), "{} uses {name} of the engine", file.display());
            }
        }
    }
}

#[test]
fn no_crate_may_use_unsafe() {
    for file in ["src/lib.rs", "../server/src/lib.rs", "../tests/simulation/src/lib.rs"] {
        let tokens = tokens(&fs::read_to_string(root().join(file)).unwrap());
        let found = tokens.windows(4).any(|at| at == ["forbid", "(", "unsafe_code", ")"]);
        assert!(found, "{file} forbids unsafe code");
    }
}

#[test]
fn the_checker_finds_arrows_that_point_outward() {
    for (module, line) in [
        ("model::change", "use crate::store::Row;"),
        ("clock", "use super::engine::Engine;"),
        ("merge", "use crate::{model::Stamp, protocol};"),
        ("protocol::machine", "use super::super::{model::EventId, store::{Key, Row}};"),
        ("store::memory", "fn f() { crate::engine::open() }"),
        ("store::memory", "mod tests { use super::super::super::merge; }"),
        ("engine::write", "use crate::{\n    model,\n    web::host,\n};"),
        ("engine::write", "use js_sys::Date;"),
        ("engine::write", "fn now() -> f64 { web_sys::window().now() }"),
        ("engine::write", "#[wasm_bindgen]\npub fn f() {}"),
        ("web::host", "#[wasm_bindgen(js_name = f)]\npub fn f() {}"),
        ("web::host", "use crate::bindings::RawEngine;"),
        ("attic", "fn f() {}"),
    ] {
        let module: Vec<&str> = module.split("::").collect();
        assert!(!wrong_paths(&module, line).is_empty(), "{line}");
    }
}

#[test]
fn the_checker_leaves_arrows_alone_that_point_inward() {
    for (module, line) in [
        ("engine::apply::record", "use super::super::store; use crate::merge::{Outcome, merge};"),
        ("store::memory", "mod tests { fn f() { super::super::contract::run() } }"),
        ("model::stamp", "// use crate::store::Row;\nconst A: &str = \"crate::engine\";"),
        (
            "model::stamp",
            "const B: &str = r#\"use \"crate::engine\"\"#; fn f<'a>(_: &'a str, _: char) { f(\"\", '\"') }",
        ),
        ("model::stamp", "pub(crate) fn f() {} pub(super) fn g() {} pub(in crate::model) fn h() {}"),
        ("web::host", "#[wasm_bindgen]\nextern \"C\" { #[wasm_bindgen(method)] fn f(); }"),
        ("bindings::engine", "#[wasm_bindgen]\npub fn f() { crate::web::open(js_sys::Object::new()) }"),
    ] {
        let module: Vec<&str> = module.split("::").collect();
        assert_eq!(wrong_paths(&module, line), Vec::<String>::new(), "{line}");
    }
}
