//! Manifests with one fault each.

use super::faults::{Fault, table};
use super::manifest;
use super::raw_zip::{Entry, Zip};
use serde_json::{Value, json};

/// How a body is sealed, as the oldest archives say it.
fn seal() -> Value {
    json!({ "kdf": "PBKDF2-SHA256", "kdfIterations": 600_000, "kdfSaltBase64": "EZ2J_obisEdSMC18MRrEeg",
        "cipher": "AES-GCM-256", "ivBase64": "QhddaBmek5XB0yTt" })
}

fn fault(what: &str, key: &str, manifest: &str, beside: Entry) -> Fault {
    let zip = Zip::of(vec![Entry::of("manifest.json", manifest), beside]);
    let says = format!("the manifest's {key} is missing or invalid");
    Fault { says, ..Fault::new(&format!("{key}: {what}"), "manifest_invalid", &zip) }
}

fn sealed(seal: &Value) -> String {
    let mut json = manifest().to_json();
    json["passphrase"] = seal.clone();
    json.to_string()
}

fn body() -> Entry {
    Entry::of("data.sealed", "0123456789abcdef")
}

/// An archive that says how often its key is derived, in JSON; `None`: it does not say.
pub fn derived(times: Option<&str>) -> String {
    let usual = "\"kdfIterations\":600000,";
    let manifest = sealed(&seal());
    assert!(manifest.contains(usual), "{manifest}");
    manifest.replace(usual, &times.map(|times| format!("\"kdfIterations\":{times},")).unwrap_or_default())
}

/// One with that manifest and a body.
pub fn with_body(manifest: &str) -> Vec<u8> {
    Zip::of(vec![Entry::of("manifest.json", manifest), body()]).bytes()
}

/// Numbers of iterations that nobody would wait for, that protect nothing, or that are none.
pub fn iterations() -> Vec<Fault> {
    let texts = ["0", "1", "599999", "10000001", "2147483648", "4294967295", "4294967296", "-1", "1.5", "\"600000\""];
    let others = [Some("null"), Some("1e308"), None];
    let of =
        |times: Option<&str>| fault(times.unwrap_or("missing"), "passphrase.kdfIterations", &derived(times), body());
    // No number of JSON's here is so large: the text as a whole is refused.
    let infinite = fault("1e999", "JSON", &derived(Some("1e999")), body());
    texts.map(Some).into_iter().chain(others).map(of).chain([infinite]).collect()
}

/// Manifests of which a key is missing or odd.
pub fn manifests() -> Vec<Fault> {
    let mut faults = Vec::new();
    for key in ["formatVersion", "schemaVersion", "producedBy", "exportedAt", "userId", "scope", "fieldsPlaintext"] {
        let mut without = manifest().to_json();
        without.as_object_mut().unwrap().remove(key);
        let mut odd = manifest().to_json();
        odd[key] = json!([{}]);
        faults
            .extend([("missing", without), ("odd", odd)].map(|(what, it)| fault(what, key, &it.to_string(), table())));
    }
    for (key, value) in [
        ("kdf", "scrypt"),
        ("cipher", "AES-CBC"),
        ("kdfSaltBase64", "EZ2J/obisEdSMC18MRrEeg=="),
        ("kdfSaltBase64", "EZ2J"),
        ("ivBase64", "QhddaBmek5XB0yTt00"),
        ("plaintextSha256", "abc"),
        ("keyCheckBase64", "abc"),
    ] {
        let mut seal = seal();
        seal[key] = value.into();
        faults.push(fault(value, &format!("passphrase.{key}"), &sealed(&seal), body()));
    }
    faults
}
