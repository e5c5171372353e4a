//! Agent specifications, `standard[:provider]:type` (spec 80 §1.5).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Standard;

/// Which agent: standard, provider where the standard has providers, and type.
///
/// A value always has a non-empty type, and a provider exactly when the standard needs one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentSpec {
    standard: Standard,
    provider: Option<String>,
    kind: String,
}

/// Why a text or a triple is not an agent specification.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AgentSpecError {
    /// No standard before the first colon.
    #[error("agent `{0}`: no standard; expected STANDARD[:PROVIDER]:TYPE")]
    NoStandard(String),
    /// No type after the standard (and provider).
    #[error("agent `{0}`: no type; expected STANDARD[:PROVIDER]:TYPE")]
    NoType(String),
    /// The standard needs a provider and there is none.
    #[error("agent `{0}`: standard `{1}` needs a provider; expected {1}:PROVIDER:TYPE")]
    NoProvider(String, Standard),
    /// A part holds a NUL byte, which no path and no bus name can.
    #[error("agent `{0}`: NUL byte in name")]
    Nul(String),
}

impl AgentSpec {
    /// Checks a triple. A provider given for a standard without providers is dropped.
    ///
    /// # Errors
    /// When standard or type is empty, or a needed provider is missing.
    pub fn new(standard: &str, provider: Option<&str>, kind: &str) -> Result<Self, AgentSpecError> {
        let text = || match provider {
            Some(provider) => format!("{standard}:{provider}:{kind}"),
            None => format!("{standard}:{kind}"),
        };
        if standard.is_empty() {
            return Err(AgentSpecError::NoStandard(text()));
        }
        if kind.is_empty() {
            return Err(AgentSpecError::NoType(text()));
        }
        if [standard, provider.unwrap_or(""), kind].iter().any(|part| part.contains('\0')) {
            return Err(AgentSpecError::Nul(text()));
        }
        let parsed = Standard::from_name(standard);
        let provider = provider.filter(|name| !name.is_empty() && parsed.needs_provider());
        if parsed.needs_provider() && provider.is_none() {
            return Err(AgentSpecError::NoProvider(text(), parsed));
        }
        Ok(Self { standard: parsed, provider: provider.map(Into::into), kind: kind.into() })
    }

    /// The calling convention.
    #[must_use]
    pub fn standard(&self) -> &Standard {
        &self.standard
    }

    /// The provider, for standards that have providers.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.provider.as_deref()
    }

    /// The agent's type, for example `IPaddr2` or `nginx.service`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Same agent, comparing all parts without regard to case.
    #[must_use]
    pub fn same_agent(&self, other: &Self) -> bool {
        let provider = |spec: &Self| spec.provider.as_deref().unwrap_or("").to_ascii_lowercase();
        self.standard == other.standard
            && provider(self) == provider(other)
            && self.kind.eq_ignore_ascii_case(&other.kind)
    }
}

impl FromStr for AgentSpec {
    type Err = AgentSpecError;

    /// Splits at the first two colons; the type of a standard without providers keeps its colons.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (standard, rest) =
            text.split_once(':').ok_or_else(|| AgentSpecError::NoType(text.into()))?;
        if Standard::from_name(standard).needs_provider() {
            match rest.split_once(':') {
                Some((provider, kind)) => Self::new(standard, Some(provider), kind),
                None => Self::new(standard, None, rest),
            }
        } else {
            Self::new(standard, None, rest)
        }
    }
}

impl TryFrom<String> for AgentSpec {
    type Error = AgentSpecError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<AgentSpec> for String {
    fn from(spec: AgentSpec) -> Self {
        spec.to_string()
    }
}

impl fmt::Display for AgentSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            Some(provider) => write!(f, "{}:{provider}:{}", self.standard, self.kind),
            None => write!(f, "{}:{}", self.standard, self.kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifications_read_and_print() {
        let cases = [
            ("ocf:heartbeat:IPaddr2", Ok(("ocf", Some("heartbeat"), "IPaddr2"))),
            ("ocf:p:a:b", Ok(("ocf", Some("p"), "a:b"))),
            ("systemd:unit@a:b", Ok(("systemd", None, "unit@a:b"))),
            ("lsb:/etc/init.d/x", Ok(("lsb", None, "/etc/init.d/x"))),
            ("stonith:fence_xvm", Ok(("stonith", None, "fence_xvm"))),
            ("ocf:Dummy", Err("needs a provider")),
            ("ocf::Dummy", Err("needs a provider")),
            ("ocf:heartbeat:", Err("no type")),
            (":x", Err("no standard")),
            ("lsb:", Err("no type")),
            ("lsb", Err("no type")),
        ];
        for (text, expected) in cases {
            match (text.parse::<AgentSpec>(), expected) {
                (Ok(spec), Ok((standard, provider, kind))) => {
                    assert_eq!(spec.standard().name(), standard, "{text}");
                    assert_eq!(spec.provider(), provider, "{text}");
                    assert_eq!(spec.kind(), kind, "{text}");
                    assert_eq!(spec.to_string(), text);
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (got, _) => panic!("{text}: {got:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn a_provider_for_a_standard_without_providers_is_dropped() {
        let spec = AgentSpec::new("lsb", Some("heartbeat"), "nginx").unwrap();
        assert_eq!(spec.to_string(), "lsb:nginx");
    }
}
