//! The codes of problems, as JSON Schema, and the page of the manual about them.

use dialect::Code;
use serde_json::{Value, json};

/// One of the codes that pass.
pub(super) fn codes(pass: fn(Code) -> bool) -> Value {
    let names: Vec<&str> = Code::all().filter(|code| pass(*code)).map(Code::name).collect();
    json!({ "type": "string", "enum": names })
}

mod tests {
    use super::*;
    use crate::openapi;

    const PAGE_HEAD: &str = "\
# Problems

After this page you know what each `code` of a refusal means. A refusal is a problem document (RFC 9457), see
[protocol.md](protocol.md); its `code` is for programs and stays the same, its `detail` is a sentence for people.

The IN line is where applications publish, the WAIT line where clients subscribe. Refusals that are *listed* stand in `GET /refused`,
see [access.md](access.md#refusals). The IN line lists them
where their status is 401, 403 or 429. Each code of the IN line is counted in `multiplexor_in_refused_total`, each that is listed in
`multiplexor_denied_total`; see [metrics.md](metrics.md).

This page is generated from the program.

| code | line | listed | when |
| --- | --- | --- | --- |
";

    #[test]
    fn the_page_of_the_manual_has_every_code() {
        let mut page = PAGE_HEAD.to_owned();
        for code in Code::all() {
            let line = match (code.is_of_in(), code.is_of_wait()) {
                (true, true) => "both",
                (true, false) => "IN",
                _ => "WAIT",
            };
            let listed = if code.is_denial() { "yes" } else { "" };
            page += &format!("| `{code}` | {line} | {listed} | {} |\n", code.when());
        }
        expect_test::expect_file!["../../../../docs/problems.md"].assert_eq(&page);
    }

    #[test]
    fn the_document_has_every_code_of_the_line() {
        let document = openapi::document();
        let schemas = &document["components"]["schemas"];
        let described = |of: &Value| of["enum"].as_array().unwrap().clone();
        let names = |pass: fn(Code) -> bool| -> Vec<Value> {
            Code::all().filter(|code| pass(*code)).map(|code| json!(code.name())).collect()
        };
        assert_eq!(described(&schemas["Problem"]["properties"]["code"]), names(Code::is_of_in));
        let listed = &schemas["Refused"]["properties"]["refused"]["items"]["properties"]["code"];
        assert_eq!(described(listed), names(Code::is_denial));
    }
}
