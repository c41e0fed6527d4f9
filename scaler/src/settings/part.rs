//! The parts of profile `adaptive` that can be left out one by one, to see what each is good for.

/// A part of profile `adaptive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Scaling up before the window is full, when the evidence is clear.
    Early,
    /// Looking only at what came after the last clear change of the load.
    Change,
    /// Following the slope of a load that rises or falls.
    Trend,
    /// Expecting again what came at this hour before.
    Forecast,
    /// Learning how capacity grows with subtasks.
    Curve,
    /// Seeing which vertex the others wait for though it is not busy.
    Waiting,
    /// Seeing that one key limits a vertex.
    HotKey,
    /// Waiting for a vertex that becomes faster by itself.
    WarmUp,
    /// Not scaling upstream of a vertex that can take no more.
    Bottleneck,
    /// Scaling down as soon as what is wasted outweighs a rescale.
    BreakEven,
    /// Taking from a vertex that was seen at work all it can do without in one step.
    AtOnce,
    /// Not scaling down where no slot is saved.
    Slots,
    /// Going back once after a rescale that made things worse.
    RollBack,
    /// Trying once more, and more, where a first step brought nothing.
    SecondTry,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Early,
        Self::Change,
        Self::Trend,
        Self::Forecast,
        Self::Curve,
        Self::Waiting,
        Self::HotKey,
        Self::WarmUp,
        Self::Bottleneck,
        Self::BreakEven,
        Self::AtOnce,
        Self::Slots,
        Self::RollBack,
        Self::SecondTry,
    ];

    /// Its name in `job.autoscaler.adaptive.without`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Early => "early",
            Self::Change => "change",
            Self::Trend => "trend",
            Self::Forecast => "forecast",
            Self::Curve => "curve",
            Self::Waiting => "waiting",
            Self::HotKey => "hot-key",
            Self::WarmUp => "warm-up",
            Self::Bottleneck => "bottleneck",
            Self::BreakEven => "break-even",
            Self::AtOnce => "at-once",
            Self::Slots => "slots",
            Self::RollBack => "roll-back",
            Self::SecondTry => "second-try",
        }
    }
}
