//! What a lint found.
//!
//! Receives texts; produces a finding. The command decides how to show it.

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The lint's name.
    pub(crate) lint: &'static str,
    /// How much it matters.
    pub(crate) weight: Weight,
    /// Where: `stages.prod.grants[2].token.ttl`.
    pub(crate) place: String,
    /// What may go wrong.
    pub(crate) risk: String,
    /// What to write instead.
    pub(crate) instead: String,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Somebody should decide about it.
    Warning,
    /// It depends on a setting that the configuration does not show.
    Hint,
}

impl Finding {
    pub(super) fn warning(
        lint: &'static str,
        place: impl Into<String>,
        risk: impl Into<String>,
        instead: impl Into<String>,
    ) -> Self {
        let (place, risk, instead) = (place.into(), risk.into(), instead.into());
        Self { lint, weight: Weight::Warning, place, risk, instead }
    }

    pub(super) fn hint(lint: &'static str, place: impl Into<String>, risk: &str, instead: &str) -> Self {
        Self::warning(lint, place, risk, instead).hint_if(true)
    }

    /// A hint, where the matter depends on something that the configuration does not show.
    pub(super) fn hint_if(self, depends: bool) -> Self {
        let weight = if depends { Weight::Hint } else { self.weight };
        Self { weight, ..self }
    }
}
