//! Metadata for agents that have none (spec 80 §10.2, §10.3).

const BEGIN: &str = "### BEGIN INIT INFO";
const END: &str = "### END INIT INFO";

/// The fields of an init script's comment block that metadata shows as they are.
const FIELDS: [&str; 7] = [
    "Provides",
    "Required-Start",
    "Required-Stop",
    "Should-Start",
    "Should-Stop",
    "Default-Start",
    "Default-Stop",
];

/// What the comment block of an init script says.
#[derive(Debug, Default)]
struct Comments {
    fields: [Option<String>; FIELDS.len()],
    short: Option<String>,
    long: Option<String>,
}

impl Comments {
    fn read(script: &str) -> Self {
        let mut comments = Self::default();
        let block = script.split_inclusive('\n').skip_while(|line| !line.starts_with(BEGIN));
        let mut lines = block.skip(1).take_while(|line| line.starts_with('#')).peekable();
        while let Some(line) = lines.next() {
            if line.starts_with(END) {
                break;
            }
            let Some((key, value)) = line[1..].trim_start_matches(' ').split_once(':') else {
                continue;
            };
            let slot = match key {
                "Short-Description" => &mut comments.short,
                "Description" => {
                    let mut long = escaped(value);
                    let goes_on = |line: &&str| line.starts_with("#  ") || line.starts_with("#\t");
                    while let Some(more) = lines.next_if(goes_on) {
                        long += &escaped(&more[1..]);
                    }
                    comments.long.get_or_insert(long);
                    continue;
                }
                key => match FIELDS.iter().position(|field| *field == key) {
                    Some(at) => &mut comments.fields[at],
                    None => continue,
                },
            };
            slot.get_or_insert_with(|| escaped(value));
        }
        comments
    }
}

/// The metadata of an init script, from its comment block.
#[must_use]
pub fn lsb_metadata(kind: &str, script: &str) -> String {
    let comments = Comments::read(script);
    let kind = escaped(kind);
    let long = comments.long.as_deref().unwrap_or(&kind);
    let short = comments.short.as_deref().unwrap_or(&kind);
    let fields: String = FIELDS
        .iter()
        .zip(&comments.fields)
        .map(|(name, value)| {
            format!("    <{name}>{}</{name}>\n", value.as_deref().unwrap_or_default())
        })
        .collect();
    format!(
        "<?xml version='1.0'?>\n\
         <resource-agent name='{kind}' version='0.1'>\n\
         \x20 <version>1.1</version>\n\
         \x20 <longdesc lang='en'>\n\
         {long}  </longdesc>\n\
         \x20 <shortdesc lang='en'>{short}</shortdesc>\n\
         \x20 <parameters/>\n\
         \x20 <actions>\n\
         \x20   <action name='meta-data' timeout='5s' />\n\
         \x20   <action name='start' timeout='15s' />\n\
         \x20   <action name='stop' timeout='15s' />\n\
         \x20   <action name='status' timeout='15s' />\n\
         \x20   <action name='restart' timeout='15s' />\n\
         \x20   <action name='force-reload' timeout='15s' />\n\
         \x20   <action name='monitor' timeout='15s' interval='15s' />\n\
         \x20 </actions>\n\
         \x20 <special tag='LSB'>\n\
         {fields}\
         \x20 </special>\n\
         </resource-agent>\n"
    )
}

/// The metadata of a systemd unit, from its description.
#[must_use]
pub fn systemd_metadata(kind: &str, description: Option<&str>) -> String {
    let kind = escaped(kind);
    let long = match description.filter(|text| !text.is_empty()) {
        Some(text) => escaped(text),
        None => format!("Systemd unit file for {kind}"),
    };
    format!(
        "<?xml version=\"1.0\"?>\n\
         <resource-agent name=\"{kind}\" version=\"0.1\">\n\
         \x20 <version>1.1</version>\n\
         \x20 <longdesc lang=\"en\">\n\
         \x20   {long}\n\
         \x20 </longdesc>\n\
         \x20 <shortdesc lang=\"en\">systemd unit file for {kind}</shortdesc>\n\
         \x20 <parameters/>\n\
         \x20 <actions>\n\
         \x20   <action name=\"start\" timeout=\"100s\" />\n\
         \x20   <action name=\"stop\" timeout=\"100s\" />\n\
         \x20   <action name=\"status\" timeout=\"100s\" />\n\
         \x20   <action name=\"monitor\" timeout=\"100s\" interval=\"60s\" />\n\
         \x20   <action name=\"meta-data\" timeout=\"5s\" />\n\
         \x20 </actions>\n\
         \x20 <special tag=\"systemd\"/>\n\
         </resource-agent>\n"
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&apos;",
            // No control character but these three may stand in XML.
            '\n' | '\t' | '\r' => out.push(character),
            control if control.is_control() => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::AgentMetadata;

    const SCRIPT: &str = "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: web\n\
        # Required-Start: $network\n# Provides: second\n# Short-Description: A <web> & more\n\
        # Description: Serves\n#  pages\n# Default-Stop: 0 6\n### END INIT INFO\n# Provides: no\n";

    #[test]
    fn an_init_script_is_described_by_its_comments() {
        let xml = lsb_metadata("web", SCRIPT);
        assert!(xml.contains("<longdesc lang='en'>\n Serves\n  pages\n  </longdesc>"), "{xml}");
        assert!(xml.contains("<Provides> web\n</Provides>"), "{xml}");
        assert!(xml.contains("<Should-Start></Should-Start>"), "{xml}");
        let read = AgentMetadata::from_xml(&xml).unwrap();
        assert_eq!(read.short, "A <web> & more");
        assert_eq!(read.actions.len(), 7);
    }

    #[test]
    fn a_script_without_comments_is_described_by_its_name() {
        for script in ["", "#!/bin/sh\n", "### BEGIN INIT INFO", "### BEGIN INIT INFO\nx\n# A: b"] {
            let read = AgentMetadata::from_xml(&lsb_metadata("web", script)).unwrap();
            assert_eq!((read.name.as_str(), read.short.as_str()), ("web", "web"));
        }
    }

    #[test]
    fn a_unit_is_described_by_systemd() {
        let read = AgentMetadata::from_xml(&systemd_metadata("a@b", Some("A & B"))).unwrap();
        assert_eq!((read.name.as_str(), read.long.as_str()), ("a@b", "A & B"));
        assert_eq!(read.actions[3].interval, Some(std::time::Duration::from_secs(60)));
        let plain = AgentMetadata::from_xml(&systemd_metadata("x", None)).unwrap();
        assert_eq!(plain.long, "Systemd unit file for x");
    }
}
