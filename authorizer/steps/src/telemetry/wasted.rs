//! The line of a token that was minted ahead and that nobody got, with its metrics. It belongs to no request, so it
//! is not the line of a decision. With it, the log has the accessor of every minted token, except those that an
//! instance still kept when Lambda ended it.

use serde::Serialize;

use super::{metrics::Directive, write_line};
use crate::{
    clock::UnixTime,
    mint::ahead::{Fate, Wasted},
};

#[derive(Serialize)]
struct Line<'a> {
    minted_ahead: bool,
    wasted: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    stage: &'a str,
    grant: &'a str,
    wrapped_accessor: &'a str,
    #[serde(rename = "_aws")]
    directive: Directive,
    /// The dimension.
    #[serde(rename = "Stage")]
    stage_measured: &'a str,
    #[serde(rename = "AheadUndone")]
    undone: u8,
    #[serde(rename = "AheadLeft")]
    left: u8,
}

/// The line, as JSON with the metrics in CloudWatch's embedded metric format.
pub fn wasted_line(wasted: &Wasted, now: UnixTime) -> String {
    let Wasted { stage, grant, wrapped_accessor, fate } = wasted;
    let is_undone = *fate == Fate::Undone;
    let line = Line {
        minted_ahead: true,
        wasted: if is_undone { "undone" } else { "left" },
        reason: match fate {
            Fate::Undone | Fate::Left => None,
            Fate::NotUndone { reason } => Some(reason),
        },
        stage: stage.as_str(),
        grant: grant.as_str(),
        wrapped_accessor,
        directive: Directive::of_wasted(now),
        stage_measured: stage.as_str(),
        undone: u8::from(is_undone),
        left: u8::from(!is_undone),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// Writes the line to standard output.
pub fn write_wasted(wasted: &Wasted, now: UnixTime) {
    write_line(&mut wasted_line(wasted, now).into_bytes());
}
