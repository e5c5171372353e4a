//! `survey` as a user runs it: table, JSON, bounds, and the page in a headless browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn cib() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy-engine/tests/cibs/shop.xml")
}

fn survey(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_node-daemon"))
        .arg("survey")
        .arg(cib())
        .args(arguments)
        .output()
        .expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "", "nothing on standard error unless it is a terminal");
    output
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&text(&survey(&[arguments, &["--json"]].concat()))).expect("JSON")
}

#[test]
fn the_table_has_a_line_for_every_scenario() {
    let table = text(&survey(&["--domain", "rack"]));
    for start in ["north ", "south ", "west ", "north + south ", "rack=a ", "rack=a + rack=b "] {
        assert!(table.lines().any(|l| l.starts_with(start)), "{start}: {table}");
    }
    assert!(table.contains("9 scenarios: "), "{table}");
}

#[test]
fn threads_do_not_change_the_result() {
    assert_eq!(text(&survey(&["--threads", "1"])), text(&survey(&["--threads", "4"])));
}

#[test]
fn a_bound_is_reported_and_no_scenario_is_dropped() {
    let all = json(&["--single"]);
    let bounded = json(&["--single", "--max-actions", "1"]);
    let outcomes = |value: &serde_json::Value| value["outcomes"].as_array().map_or(0, Vec::len);
    assert_eq!(outcomes(&all), 3);
    assert_eq!(outcomes(&bounded), 3);
    let baseline = &bounded["baseline_ending"];
    assert_eq!(baseline["ActionBound"], 0, "the cluster has to be started first: {baseline}");
}

#[test]
fn resources_fail_one_at_a_time() {
    let report = json(&["--resources-only"]);
    let outcomes = report["outcomes"].as_array().expect("outcomes");
    // fence, address, web, two databases, batch, archive
    assert_eq!(outcomes.len(), 7);
    for outcome in outcomes {
        assert_eq!(outcome["ending"], "Stable");
        assert_eq!(outcome["lost"].as_array().map(Vec::len), Some(0), "{outcome}");
    }
}

/// The browser; none is a failure where everything has to be there.
fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let runs = |name: &&str| {
        Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success())
    };
    let found = names.into_iter().find(|name| runs(name));
    let required = std::env::var("CI").is_ok_and(|v| v == "true");
    assert!(found.is_some() || !required, "install chromium: it shows the page of a survey");
    found
}

/// Shows a page: with `--dump-dom` the answer is what the page has become once its script has run.
fn show(browser: &str, page: &Path, options: &[String]) -> String {
    let profile = page.with_file_name("profile");
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        .args(["--disable-dev-shm-usage", "--no-first-run", "--virtual-time-budget=5000"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(options)
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("the browser starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_page_works_in_a_browser() {
    let Some(browser) = browser() else { return };
    let directory = std::env::temp_dir().join(format!("survey-page-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory for the page");
    let page = directory.join("page.html");
    survey(&["--domain", "rack", "--html", &page.to_string_lossy()]);
    let source = fs::read_to_string(&page).expect("the page is written");
    for outside in ["src=", "href=", "@import", "url("] {
        assert!(!source.contains(outside), "the page needs nothing outside of it: {outside}");
    }

    let dom = ["--dump-dom".to_owned()];
    let shown = show(browser, &page, &dom);
    assert!(shown.contains("data-ready=\"9\""), "the script ran over 9 scenarios: {shown:.300}");
    assert_eq!(shown.matches("<svg").count(), 2, "two plots");
    assert_eq!(shown.matches("<tr class=").count(), 9);

    // The same page with somebody clicking: sort by actions, only harm.
    let clicks = "<script>document.getElementById('harm').click();\
                  document.querySelectorAll('th button')[2].click();</script>";
    let clicked = directory.join("clicked.html");
    fs::write(&clicked, source.replace("</body>", &format!("{clicks}</body>"))).expect("a page");
    let shown = show(browser, &clicked, &dom);
    assert!(shown.contains("class=\"only-harm\""), "the filter works");
    assert!(shown.contains("data-sorted=\"2\""), "sorting works");
    let body = shown.split("<tbody>").nth(1).expect("a table");
    let first = body.split("</tr>").next().unwrap_or_default();
    assert!(first.contains("<td>north<"), "most actions first: {first:.200}");

    let picture = directory.join("page.png");
    let shot = format!("--screenshot={}", picture.display());
    show(browser, &page, &[shot, "--window-size=1200,1600".to_owned()]);
    let size = fs::metadata(&picture).map_or(0, |m| m.len());
    assert!(size > 20_000, "a picture of {size} bytes shows nothing");
    let _ = fs::remove_dir_all(&directory);
}
