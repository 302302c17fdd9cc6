//! What is carried out, though whoever asks probably means something else: the answer says so in a header.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use dialect::native::{STAR_PUBLISHED, WARNING, warning_of_query};

use crate::route::{self, Route};
use crate::state::InLine;

/// Says with the answer to a request what of it was passed over, or means something else than it seems to.
pub(crate) fn tell(routes: Routes, method: &Method, uri: &Uri, headers: &mut HeaderMap) {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let of_query = known(routes, method, path).and_then(|known| warning_of_query(query, known));
    let is_star = method == Method::POST && path.starts_with("/pub/") && names_a_star(path);
    for warning in of_query.into_iter().chain(is_star.then(|| STAR_PUBLISHED.to_owned())) {
        if let Ok(value) = HeaderValue::from_str(&warning) {
            headers.append(WARNING, value);
        }
    }
}

/// Whether a path has a `*`, written as it is or not.
fn names_a_star(path: &str) -> bool {
    path.contains('*') || path.contains("%2A") || path.contains("%2a")
}

/// The parameters that an address takes; `None`: it is a page, whose addresses may say what they like.
fn known(routes: Routes, method: &Method, path: &str) -> Option<&'static [&'static str]> {
    route::find(routes, path)?.operation(method)?.query
}

type Routes = &'static [Route<Arc<InLine>>];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi;
    use crate::routes::ROUTES;

    #[test]
    fn what_is_known_is_what_is_described() {
        let document = openapi::document();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, described) in methods.as_object().unwrap() {
                let parameters = described["parameters"].as_array().cloned().unwrap_or_default();
                let mut expected: Vec<_> = parameters
                    .iter()
                    .filter(|one| one["in"] == "query")
                    .map(|one| one["name"].as_str().unwrap().to_owned())
                    // That of a single object is told in words.
                    .chain((path == "/pub").then(|| "key".to_owned()))
                    .collect();
                let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap();
                let mut known: Vec<_> =
                    known(ROUTES, &method, &path.replace(['{', '}'], "")).unwrap().to_vec();
                expected.sort();
                known.sort_unstable();
                assert_eq!(known, expected, "{method} {path}");
            }
        }
    }

    #[test]
    fn a_channel_may_have_the_name_of_a_part_of_a_path() {
        let check = |method: Method, path, expected: &[&str]| {
            assert_eq!(known(ROUTES, &method, path), Some(expected), "{method} {path}");
        };
        check(Method::DELETE, "/channels/history", &["forget"]);
        check(Method::GET, "/channels/history", &[]);
        check(Method::GET, "/channels/history/history", &["since", "tail", "before", "limit"]);
        check(Method::DELETE, "/channels/history/history/1-2", &[]);
        check(Method::DELETE, "/channels/a%2Fhistory", &["forget"]);
    }
}
