//! A run as one page that needs nothing else: figures, plots, the table, and how to have it again.

mod plots;

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use super::Report;
use super::chart::escaped;
use super::table::COLUMNS;

/// The page, as HTML.
pub(crate) fn page(report: &Report, command: &str) -> String {
    let title = report.scenario.map_or_else(|| "A run".to_owned(), capital);
    let mut out = String::with_capacity(1 << 16);
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title}: multiplexor bench</title><style>{STYLE}</style></head><body><main>"
    );
    push_head(report, &title, &mut out);
    push_figures(report, &mut out);
    plots::push(report, &mut out);
    push_table(report, &mut out);
    push_foot(report, command, &mut out);
    out.push_str("</main></body></html>\n");
    out
}

fn push_head(report: &Report, title: &str, out: &mut String) {
    let state = if report.ok { "well" } else { "ill" };
    let sign = if report.ok { "✓" } else { "✗" };
    let _ = write!(
        out,
        "<header><p class=\"brand\">multiplexor bench</p><h1>{title}</h1><p class=\"about\">{}</p>\
         <p class=\"verdict {state}\"><span>{sign}</span>{}</p>",
        escaped(&report.about()),
        escaped(&report.verdict())
    );
    for line in report.advice() {
        let _ = write!(out, "<p class=\"advice\">{}</p>", escaped(&line));
    }
    out.push_str("</header>");
}

fn push_figures(report: &Report, out: &mut String) {
    out.push_str("<section class=\"figures\">");
    for (name, value) in report.figures() {
        let (number, unit) = value.split_once(' ').unwrap_or((&value, ""));
        let _ = write!(
            out,
            "<div><span class=\"name\">{}</span><span class=\"number\">{}</span> <span class=\"unit\">{}</span></div>",
            escaped(&name),
            escaped(number),
            escaped(unit)
        );
    }
    out.push_str("</section>");
}

fn push_table(report: &Report, out: &mut String) {
    let columns: Vec<_> = COLUMNS.iter().filter(|column| column.has_any(report)).collect();
    out.push_str("<section class=\"card\"><h2>Step by step</h2><div class=\"wide\"><table><thead><tr>");
    for column in &columns {
        let _ = write!(out, "<th>{}</th>", escaped(column.name));
    }
    out.push_str("</tr></thead><tbody>");
    for step in &report.steps {
        let class = if step.is_ok() { "" } else { " class=\"ill\"" };
        let _ = write!(out, "<tr{class}>");
        for column in &columns {
            let _ = write!(out, "<td>{}</td>", escaped(&(column.of)(step)));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div></section>");
}

fn push_foot(report: &Report, command: &str, out: &mut String) {
    let host = &report.host;
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(host.time));
    let memory = host.memory_bytes as f64 / f64::from(1 << 30);
    let _ = write!(
        out,
        "<footer><pre>{}</pre><dl><dt>When</dt><dd>{date}</dd><dt>Where</dt><dd>{}, {} cores, {memory:.0} GiB, {}</dd>\
         <dt>Server</dt><dd>{}</dd><dt>With</dt><dd>multiplexor {}, {} full of clients</dd></dl><p>{HOW}</p></footer>",
        escaped(command),
        escaped(&host.processor),
        host.cores,
        escaped(&host.system),
        escaped(&report.url),
        host.version,
        if report.workers == 1 { "a process".to_owned() } else { format!("{} processes", report.workers) }
    );
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

const STYLE: &str = include_str!("page/page.css");
const HOW: &str = "Latency is the time from before a message is sent until a client has read it; clients and server share \
    this machine's clock. Each message carries a number, by which every client knows what is missing, what came twice and \
    what came too late. Memory is what the server's process shares with nobody; CPU is the time its threads ran, kernel \
    included.";
