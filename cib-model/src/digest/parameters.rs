//! The digest of an operation's parameters (spec 11 §12).

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::Digester;
use crate::document::escape_attribute;

/// The secret parameters where no history entry says which are (see [`ParameterSet::secure`]).
pub const SECURE_DEFAULT: &str = "passwd password user";

/// Names that are never part of a digest, besides all that start with `CRM_meta_`.
const EXCLUDED: [&str; 6] =
    ["id", "crm_feature_set", "op-digest", "on_node", "on_node_uuid", "pcmk_external_ip"];

const META_PREFIX: &str = "CRM_meta_";
const META_INTERVAL: &str = "CRM_meta_interval";
const META_TIMEOUT: &str = "CRM_meta_timeout";

/// Whether a parameter of this name belongs in a digest.
pub fn is_digest_parameter(name: &str) -> bool {
    !name.starts_with(META_PREFIX) && !EXCLUDED.contains(&name)
}

/// The text an operation digest is taken of: `<parameters …/>` with the attributes sorted by name, a
/// space before and a newline behind.
pub fn parameters_text(parameters: &BTreeMap<&str, &str>) -> String {
    let mut text = String::new();
    write_parameters(parameters, &mut text).unwrap_or_default();
    text
}

fn write_parameters(parameters: &BTreeMap<&str, &str>, out: &mut impl Write) -> fmt::Result {
    out.write_str(" <parameters")?;
    for (name, value) in parameters {
        write!(out, " {name}=\"")?;
        escape_attribute(value, out)?;
        out.write_char('"')?;
    }
    out.write_str("/>\n")
}

/// The digest of exactly these parameters.
pub fn operation_digest(parameters: &BTreeMap<&str, &str>) -> String {
    Digester::over(|out| write_parameters(parameters, out))
}

/// The parameters of one operation as they count for digests, the first value of a name winning.
///
/// ```
/// use cib_model::digest::ParameterSet;
///
/// let sources = [("p", "second"), ("CRM_meta_timeout", "20000"), ("p", "third")];
/// let set = ParameterSet::from_iter(sources);
/// assert_eq!(set.all(), "43f6c11aa02820a66584d88ce6d91e08");
///
/// let recurring = ParameterSet::from_iter(sources.into_iter().chain([("CRM_meta_interval", "10000")]));
/// assert_eq!(recurring.all(), "c7f1f4e93f0793350c931bd74290255f");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParameterSet<'t>(BTreeMap<&'t str, &'t str>);

impl<'t> FromIterator<(&'t str, &'t str)> for ParameterSet<'t> {
    /// Keeps what belongs in a digest. The timeout (`CRM_meta_timeout`) counts only for a recurring
    /// operation, that is, when `CRM_meta_interval` is present and not zero.
    fn from_iter<I: IntoIterator<Item = (&'t str, &'t str)>>(parameters: I) -> ParameterSet<'t> {
        let mut kept = BTreeMap::new();
        let (mut interval, mut timeout) = (None, None);
        for (name, value) in parameters {
            match name {
                META_INTERVAL => interval = interval.or(Some(value)),
                META_TIMEOUT => timeout = timeout.or(Some(value)),
                _ if is_digest_parameter(name) => {
                    kept.entry(name).or_insert(value);
                }
                _ => {}
            }
        }
        let recurring = interval.and_then(crate::scalar::parse_integer).is_some_and(|ms| ms != 0);
        if let Some(timeout) = timeout.filter(|_| recurring) {
            kept.insert(META_TIMEOUT, timeout);
        }
        ParameterSet(kept)
    }
}

impl<'t> ParameterSet<'t> {
    /// The digest of all parameters (`op-digest`).
    pub fn all(&self) -> String {
        operation_digest(&self.0)
    }

    /// The digest of the parameters whose change needs a restart (`op-restart-digest`); `names` is the
    /// space-separated list `op-force-restart`, and without it all count.
    pub fn restart(&self, names: Option<&str>) -> String {
        match names {
            None => self.all(),
            Some(names) => self.digest_where(|name| names.split(' ').any(|word| word == name)),
        }
    }

    /// The digest of the parameters that are not secret (`op-secure-digest`); `secret` is the
    /// space-separated list `op-secure-params`. The timeout never counts.
    pub fn secure(&self, secret: &str) -> String {
        self.digest_where(|name| name != META_TIMEOUT && secret.split(' ').all(|word| word != name))
    }

    /// The parameters, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'t str, &'t str)> + '_ {
        self.0.iter().map(|(&name, &value)| (name, value))
    }

    fn digest_where(&self, keep: impl Fn(&str) -> bool) -> String {
        operation_digest(&self.iter().filter(|(name, _)| keep(name)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::md5_hex;
    use super::*;

    const NONE: &str = "f2317cad3d54cec5d7d7aa7d0bf35cf8";

    #[test]
    fn names_that_do_not_describe_the_resource_are_left_out() {
        let set = ParameterSet::from_iter([
            ("CRM_meta_name", "start"),
            ("CRM_meta_interval", "0"),
            ("CRM_meta_timeout", "1"),
            ("id", "x"),
            ("crm_feature_set", "3.20.5"),
            ("op-digest", "x"),
            ("on_node", "x"),
            ("on_node_uuid", "x"),
            ("pcmk_external_ip", "x"),
        ]);
        assert_eq!(set.all(), NONE);
    }

    #[test]
    fn text_is_sorted_and_escaped() {
        let parameters = BTreeMap::from([("b", "<\"'>&\n"), ("a", "é")]);
        let text = " <parameters a=\"é\" b=\"&lt;&quot;'&gt;&amp;&#x0A;\"/>\n";
        assert_eq!(parameters_text(&parameters), text);
        assert_eq!(operation_digest(&parameters), md5_hex(text));
    }

    #[test]
    fn restart_and_secure_digests_take_a_part() {
        let set = ParameterSet::from_iter([
            ("p", "second"),
            ("passwd", "x"),
            ("CRM_meta_timeout", "5"),
            ("CRM_meta_interval", "10"),
        ]);
        let p = md5_hex(" <parameters p=\"second\"/>\n");
        assert_eq!(set.restart(Some(" p x")), p);
        assert_eq!(set.restart(Some("")), NONE);
        assert_eq!(set.restart(None), set.all());
        assert_eq!(set.secure(SECURE_DEFAULT), p);
        assert_eq!(set.secure("passwd p"), NONE);
    }
}
