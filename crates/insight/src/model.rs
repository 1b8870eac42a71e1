//! The shapes in which insight answers, as JSON shows them: everything snake_case, durations in `_s` or `_ms`, ratios from 0
//! to 1, `null` for what is not known. The admin API hands them on unchanged and describes them by these very types.

mod alerts;
mod figures;
mod history;
mod metrics;
mod report;
mod summary;
mod traffic;
mod words;

pub use alerts::{
    Acknowledgement, Alert, AlertRule, AlertState, AlertsReport, Burn, Missing, Severity, Silence, SloKind, SloState,
    SloStatus,
};
pub use figures::{
    Causes, Figures, HitRatio, Kept, Latency, RouteFigures, StrategyFigures, TenantFigures, TierFigures,
    UpstreamFigures,
};
pub use history::{Heat, History, Sample};
pub use metrics::{
    ApplicationMetrics, CacheMetrics, CgroupMetrics, Disk, Load, MachineMetrics, Metrics, NamespaceMetrics,
    ProcessMetrics, ReasonCount, SystemMetrics, TopKey,
};
pub use report::{
    Confidence, Evidence, FigureChange, ParameterChange, Recommendation, Report, ReportTitle, ReportTitles, Trend,
};
pub use summary::{Apdex, ChangeKind, ChangeNote, Saved, SavedOfRoute, Score, ScorePart, Status, Summary};
pub use traffic::{NodeReport, TargetReport, UpstreamReport};
