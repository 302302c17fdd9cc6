//! Which URL is answered by whom, and what every request goes through.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post};
use dialect::hub::Right;
use dialect::{Code, Problem};

use crate::response::{ErrorResponse, excerpt};
use crate::route::{self, Access, Operation, Route};
use crate::state::InLine;
use crate::transaction::around;
use crate::{
    batch, channels, denials, endings, explain, joins, metrics, pages, probes, publish, sign_in, users,
    watch, webhooks,
};

/// The whole line as one service.
pub(crate) fn router(line: Arc<InLine>) -> Router {
    let answering = |route: &'static Route<Arc<InLine>>| {
        let handlers = route.operations.iter().map(|operation| (operation.handler)());
        handlers.fold(MethodRouter::new(), MethodRouter::merge)
    };
    let all = ROUTES.iter().fold(Router::new(), |router, route| router.route(route.path, answering(route)));
    all.fallback(channels::not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&line), around))
        .with_state(line)
}

/// All addresses but `/`; one that ends in `/` stands for all that begin with it. They are never taken for a message of
/// 2009.
pub(crate) static PREFIXES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let mut prefixes: Vec<&str> = ROUTES.iter().map(Route::prefix).filter(|prefix| *prefix != "/").collect();
    prefixes.dedup();
    prefixes
});

/// All there is on the line. Router, rights, `Allow` and the warnings about queries come from it, and openapi.json describes it; whoever publishes is
/// asked for the right to each channel where the names are read.
pub(crate) static ROUTES: &[Route<Arc<InLine>>] = &[
    Route {
        path: "/pub",
        access: Access::Key,
        operations: &[Operation {
            method: Method::POST,
            right: Some(Right::Publish),
            handler: || post(batch::publish),
            query: Some(&["key"]),
        }],
    },
    Route {
        path: "/pub/{*names}",
        access: Access::Key,
        operations: &[Operation {
            method: Method::POST,
            right: Some(Right::Publish),
            handler: || post(publish::publish),
            query: Some(&["event", "ttl", "key"]),
        }],
    },
    Route {
        path: "/pub/",
        access: Access::Key,
        operations: &[Operation {
            method: Method::POST,
            right: Some(Right::Publish),
            handler: || post(publish::publish_nowhere),
            query: Some(&["key"]),
        }],
    },
    Route {
        path: "/channels",
        access: Access::Somewhere(Right::Presence),
        operations: &[Operation {
            method: Method::GET,
            right: None,
            handler: || get(channels::list),
            query: Some(&["prefix", "after", "limit", "all"]),
        }],
    },
    Route {
        path: "/channels/{name}",
        access: Access::Key,
        operations: &[
            Operation {
                method: Method::GET,
                right: Some(Right::Presence),
                handler: || get(channels::one),
                query: Some(&[]),
            },
            Operation {
                method: Method::DELETE,
                right: Some(Right::Administer),
                handler: || delete(channels::delete),
                query: Some(&["forget"]),
            },
        ],
    },
    Route {
        path: "/channels/{name}/history",
        access: Access::Key,
        operations: &[Operation {
            method: Method::GET,
            right: Some(Right::History),
            handler: || get(channels::history),
            query: Some(&["since", "tail", "before", "limit"]),
        }],
    },
    Route {
        path: "/channels/{name}/users",
        access: Access::Key,
        operations: &[Operation {
            method: Method::GET,
            right: Some(Right::Presence),
            handler: || get(channels::users),
            query: Some(&["after", "limit"]),
        }],
    },
    Route {
        path: "/channels/{name}/history/{cursor}",
        access: Access::Key,
        operations: &[Operation {
            method: Method::DELETE,
            right: Some(Right::Administer),
            handler: || delete(channels::remove),
            query: Some(&[]),
        }],
    },
    Route {
        path: "/users",
        access: Access::Everywhere(Right::Presence),
        operations: &[Operation {
            method: Method::GET,
            right: None,
            handler: || get(users::list),
            query: Some(&["prefix", "after", "limit"]),
        }],
    },
    Route {
        path: "/users/{user}",
        access: Access::Everywhere(Right::Presence),
        operations: &[
            Operation { method: Method::GET, right: None, handler: || get(users::one), query: Some(&[]) },
            Operation {
                method: Method::DELETE,
                right: Some(Right::Administer),
                handler: || delete(endings::end_user),
                query: Some(&["reason", "for"]),
            },
        ],
    },
    Route {
        path: "/users/{user}/pub",
        access: Access::Key,
        operations: &[Operation {
            method: Method::POST,
            right: Some(Right::Publish),
            handler: || post(publish::publish),
            query: Some(&["event", "ttl", "key"]),
        }],
    },
    Route {
        path: "/users/{user}/channels",
        access: Access::Everywhere(Right::Administer),
        operations: &[Operation {
            method: Method::POST,
            right: None,
            handler: || post(joins::change),
            query: Some(&[]),
        }],
    },
    Route {
        path: "/connections/{id}",
        access: Access::Everywhere(Right::Administer),
        operations: &[Operation {
            method: Method::DELETE,
            right: None,
            handler: || delete(endings::end_connection),
            query: Some(&["reason"]),
        }],
    },
    Route {
        path: "/webhooks",
        access: Access::Everywhere(Right::Administer),
        operations: &[Operation::get(|| get(webhooks::list))],
    },
    Route {
        path: "/settings",
        access: Access::Everywhere(Right::Administer),
        operations: &[Operation::get(|| get(webhooks::settings))],
    },
    Route {
        path: "/explain",
        access: Access::Somewhere(Right::Administer),
        operations: &[Operation {
            method: Method::POST,
            right: None,
            handler: || post(explain::explain),
            query: Some(&[]),
        }],
    },
    Route {
        path: "/reload",
        access: Access::Everywhere(Right::Administer),
        operations: &[Operation {
            method: Method::POST,
            right: None,
            handler: || post(webhooks::reload),
            query: Some(&[]),
        }],
    },
    Route {
        path: "/watch",
        access: Access::Somewhere(Right::Presence),
        operations: &[Operation {
            method: Method::GET,
            right: None,
            handler: || get(watch::watch),
            query: Some(&[
                "prefix",
                "transport",
                "since",
                "tail",
                "heartbeat",
                "users",
                "lastEventId",
                "last-event-id",
                "last_event_id",
            ]),
        }],
    },
    Route {
        path: "/stats",
        access: Access::Everywhere(Right::Presence),
        operations: &[Operation::get(|| get(probes::stats))],
    },
    Route {
        path: "/refused",
        access: Access::Everywhere(Right::Administer),
        operations: &[Operation {
            method: Method::GET,
            right: None,
            handler: || get(denials::list),
            query: Some(&["limit"]),
        }],
    },
    Route {
        path: "/metrics",
        access: Access::Everywhere(Right::Presence),
        operations: &[Operation::get(|| get(metrics::metrics))],
    },
    Route { path: "/healthz", access: Access::Probe, operations: &[Operation::get(|| get(probes::healthz))] },
    Route { path: "/readyz", access: Access::Probe, operations: &[Operation::get(|| get(probes::readyz))] },
    Route {
        path: "/openapi.json",
        access: Access::Open,
        operations: &[Operation::get(|| get(pages::openapi))],
    },
    Route {
        path: "/",
        access: Access::Open,
        operations: &[Operation {
            method: Method::GET,
            right: None,
            handler: || get(pages::front),
            query: None,
        }],
    },
    Route {
        path: "/multiplexor.js",
        access: Access::Open,
        operations: &[Operation {
            method: Method::GET,
            right: None,
            handler: || get(pages::client),
            query: None,
        }],
    },
    Route {
        path: "/demo",
        access: Access::OpenBeneath,
        operations: &[Operation {
            method: Method::GET,
            right: None,
            handler: || get(pages::demo),
            query: None,
        }],
    },
    Route {
        path: "/demo/wait.json",
        access: Access::Open,
        operations: &[Operation {
            method: Method::GET,
            right: None,
            handler: || get(pages::wait),
            query: None,
        }],
    },
    Route {
        path: "/sign-in",
        access: Access::Open,
        operations: &[
            Operation { method: Method::GET, right: None, handler: || get(sign_in::page), query: None },
            Operation { method: Method::POST, right: None, handler: || post(sign_in::sign_in), query: None },
        ],
    },
    Route {
        path: "/sign-out",
        access: Access::Open,
        operations: &[Operation {
            method: Method::POST,
            right: None,
            handler: || post(sign_in::sign_out),
            query: None,
        }],
    },
    Route {
        path: "/session",
        access: Access::Open,
        operations: &[Operation {
            method: Method::GET,
            right: None,
            handler: || get(sign_in::session),
            query: None,
        }],
    },
];

/// The answer says in `Allow` what would be right.
async fn wrong_method(method: Method, uri: Uri) -> ErrorResponse {
    let right = route::find(ROUTES, uri.path()).map(Route::methods).unwrap_or_default();
    let method = excerpt(method.as_str());
    Problem::new(405, Code::Method, format!("the method {method} is not for this address; use {right}"))
        .into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The router is made of the table, and nothing else makes a route.
    #[test]
    fn a_route_is_a_row_of_the_table() {
        let marks = [".route(", ".route_service(", ".nest(", ".merge("];
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                let found: Vec<_> = marks.iter().flat_map(|mark| code.matches(mark)).collect();
                let expected: &[&str] = if path.ends_with("routes.rs") { &[".route("] } else { &[] };
                assert_eq!(found, expected, "{}", path.display());
            }
        }
    }

    #[test]
    fn publishing_needs_the_right_to_publish_and_each_address_is_found_by_its_row() {
        for route in ROUTES {
            let path = route.path.replace(['{', '}', '*'], "");
            assert_eq!(route::find(ROUTES, &path).unwrap().path, route.path);
            let publishes = route.operations.iter().filter(|one| one.right == Some(Right::Publish));
            assert_eq!(publishes.count() == 1, route.path.contains("/pub"), "{}", route.path);
        }
    }

    #[test]
    fn what_is_ours_is_never_a_message_of_old() {
        let expected = "/pub /pub/ /channels /channels/ /users /users/ /connections/ /webhooks /settings /explain /reload /watch /stats /refused /metrics /healthz /readyz /openapi.json \
                        /multiplexor.js /demo /demo/ /sign-in /sign-out /session";
        assert_eq!(PREFIXES.join(" "), expected.split_whitespace().collect::<Vec<_>>().join(" "));
    }

    #[test]
    fn what_is_allowed_is_told_in_words() {
        let methods = |path| route::find(ROUTES, path).unwrap().methods();
        assert_eq!(methods("/channels/history"), "GET, HEAD or DELETE");
        assert_eq!(methods("/channels/a/history/1"), "DELETE");
        assert_eq!(methods("/sign-in"), "GET, HEAD or POST");
        assert_eq!((methods("/pub/"), methods("/stats")), ("POST".into(), "GET or HEAD".into()));
    }
}
