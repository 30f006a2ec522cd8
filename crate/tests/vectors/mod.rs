//! Known answers, checked natively and in a browser.

pub mod generated;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mana_sync_engine::crypto::{
    Cipher, Envelope, Keyring, MasterKey, Place, RecoveryCode, TAG_BYTES, Unopened, WrappedKey, hkdf_sha256,
    pbkdf2_sha256,
};
use mana_sync_engine::model::{AppId, FieldName, RecordId, Stamp, TableName};
use serde_json::Value;

const AES_GCM: &str = include_str!("wycheproof/aes_gcm_test.json");
const HKDF: &str = include_str!("wycheproof/hkdf_sha256_test.json");
const PBKDF2: &str = include_str!("wycheproof/pbkdf2_hmacsha256_test.json");
const OLDER_APP: &str = include_str!("older-app/field-envelopes.json");

/// The bytes of a hexadecimal text.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Calls `check` with every case and its group; gives how many there were.
fn each_case(file: &str, mut check: impl FnMut(&Value, &Value)) -> usize {
    let file: Value = serde_json::from_str(file).unwrap();
    let groups = file["testGroups"].as_array().unwrap();
    let cases =
        groups.iter().flat_map(|group| group["tests"].as_array().unwrap().iter().map(move |case| (group, case)));
    let count = cases.map(|(group, case)| check(group, case)).count();
    assert_eq!(file["numberOfTests"], count);
    count
}

fn bytes(case: &Value, name: &str) -> Vec<u8> {
    unhex(case[name].as_str().unwrap())
}

fn number(case: &Value, name: &str) -> usize {
    usize::try_from(case[name].as_u64().unwrap()).unwrap()
}

/// Gives how many cases were opened or refused as they should be, and how many could not even be tried.
pub fn aes_gcm() -> (usize, usize) {
    let (mut fitting, mut refused) = (0, 0);
    each_case(AES_GCM, |group, case| {
        let (key, iv) = (bytes(case, "key"), bytes(case, "iv"));
        assert_eq!(number(group, "tagSize"), TAG_BYTES * 8);
        let (Ok(key), Ok(iv)) = (<[u8; 32]>::try_from(key.as_slice()), <[u8; 12]>::try_from(iv.as_slice())) else {
            refuse_sizes(&key, &iv);
            refused += 1;
            return;
        };
        open_and_seal(&Cipher::new(&key), &iv, case);
        fitting += 1;
    });
    (fitting, refused)
}

fn refuse_sizes(key: &[u8], iv: &[u8]) {
    let text = format!("enc:1:{}.AAAAAAAAAAAAAAAAAAAAAA==", STANDARD.encode(iv));
    assert!(MasterKey::from_bytes(key).is_err() || Envelope::parse(&text).is_none(), "{text}");
}

fn open_and_seal(cipher: &Cipher, iv: &[u8; 12], case: &Value) {
    let (associated, message) = (bytes(case, "aad"), bytes(case, "msg"));
    let sealed = [bytes(case, "ct"), bytes(case, "tag")].concat();
    let valid = case["result"] == "valid";
    let mut buffer = sealed.clone();
    assert_eq!(cipher.open(iv, &associated, &mut buffer), valid, "{case}");
    assert_eq!(buffer, if valid { message.clone() } else { sealed.clone() }, "{case}");
    let mut buffer = message;
    cipher.seal(iv, &associated, &mut buffer);
    assert_eq!(buffer == sealed, valid, "{case}");
}

/// Gives how many cases were derived or refused as they should be.
pub fn hkdf() -> usize {
    each_case(HKDF, |_, case| {
        let mut derived = vec![0; number(case, "size")];
        let done = hkdf_sha256(&bytes(case, "ikm"), &bytes(case, "salt"), &bytes(case, "info"), &mut derived);
        assert_eq!(done, case["result"] == "valid", "{case}");
        assert!(!done || derived == bytes(case, "okm"), "{case}");
    })
}

/// Gives how many cases were derived as they should be.
pub fn pbkdf2() -> usize {
    each_case(PBKDF2, |_, case| {
        assert_eq!(case["result"], "valid");
        let iterations = u32::try_from(number(case, "iterationCount")).unwrap();
        let mut derived = vec![0; number(case, "dkLen")];
        pbkdf2_sha256(&bytes(case, "password"), &bytes(case, "salt"), iterations, &mut derived);
        assert_eq!(derived, bytes(case, "dk"), "{case}");
    })
}

/// Gives how many envelopes of the older app were opened with its key, and with no other.
pub fn older_app() -> usize {
    let file: Value = serde_json::from_str(OLDER_APP).unwrap();
    let ring_of = |name: &str| {
        let mut ring = Keyring::new();
        ring.insert(1, MasterKey::from_bytes(&bytes(&file, name)).unwrap());
        ring
    };
    let (ring, other) = (ring_of("masterKeyHex"), ring_of("otherKeyHex"));
    let (app, table) = (AppId::parse("todo").unwrap(), TableName::parse("tasks").unwrap());
    let (record, field) = (RecordId::parse("r").unwrap(), FieldName::parse("f").unwrap());
    let place = Place::new(&app, &table, &record, &field);
    let cases = file["cases"].as_array().unwrap();
    for case in cases {
        let blob = case["blob"].as_str().unwrap();
        assert_eq!(ring.open(&place, Stamp::EPOCH, blob).as_ref(), Ok(&case["plaintext"]), "{blob}");
        assert_eq!(other.open(&place, Stamp::EPOCH, blob), Err(Unopened::DoesNotOpen), "{blob}");
        assert_eq!(Envelope::parse(blob).unwrap().to_text(), blob);
    }
    cases.len()
}

/// The older app's envelopes with what they hold, and its key.
#[allow(dead_code, reason = "only browsers have something else that opens them")]
pub fn older_app_cases() -> (Vec<u8>, Vec<(Value, String)>) {
    let file: Value = serde_json::from_str(OLDER_APP).unwrap();
    let case = |case: &Value| (case["plaintext"].clone(), case["blob"].as_str().unwrap().to_owned());
    (bytes(&file, "masterKeyHex"), file["cases"].as_array().unwrap().iter().map(case).collect())
}

/// Unwraps the older app's master key with its recovery code.
pub fn older_recovery_code() {
    let file: Value = serde_json::from_str(OLDER_APP).unwrap();
    let text = |name: &str| file["recovery"][name].as_str().unwrap();
    let code = RecoveryCode::parse(text("code")).unwrap();
    let wrapped = WrappedKey::parse(text("recoveryIv"), text("recoveryWrappedMk")).unwrap();
    let key = code.unwrap(&wrapped).unwrap();
    assert_eq!(key.expose().as_slice(), unhex(text("unwrapsToMasterKeyHex")));
    assert_eq!(code.to_text().as_str(), text("code"));
}
