namespace OrleansPd.Client.Contracts;

// See WorkerSurrogates.cs for the rules.

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.WorkerReport")]
internal readonly record struct WorkerReportSurrogate(
    [property: Id(0)] WorkerSpec Spec,
    [property: Id(1)] long Registration,
    [property: Id(2)] long Writer,
    [property: Id(3)] long Version,
    [property: Id(4)] WorkerSnapshot Snapshot,
    [property: Id(5)] DateTimeOffset Since,
    [property: Id(6)] byte? SwitchTo);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.WorkerMember")]
internal readonly record struct WorkerMemberSurrogate(
    [property: Id(0)] WorkerId Id, [property: Id(1)] WorkerSpec Spec, [property: Id(2)] long Registration);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.RankClaim")]
internal readonly record struct RankClaimSurrogate(
    [property: Id(0)] int Held,
    [property: Id(1)] int Running,
    [property: Id(2)] int Waiting,
    [property: Id(3)] int Peak,
    [property: Id(4)] long Tokens);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.CreditClaim")]
internal readonly record struct CreditClaimSurrogate(
    [property: Id(0)] string Gateway,
    [property: Id(1)] long Sequence,
    [property: Id(2)] long Ledger,
    [property: Id(3)] ImmutableArray<RankClaim> Ranks,
    [property: Id(4)] bool IsLeaving,
    [property: Id(5)] bool IsBrief);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.RankGrant")]
internal readonly record struct RankGrantSurrogate(
    [property: Id(0)] int Credits,
    [property: Id(1)] int Share,
    [property: Id(2)] int Others,
    [property: Id(3)] long OthersTokens);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.CreditGrant")]
internal readonly record struct CreditGrantSurrogate(
    [property: Id(0)] long Ledger,
    [property: Id(1)] TimeSpan ValidFor,
    [property: Id(2)] ImmutableArray<RankGrant> Ranks,
    [property: Id(3)] bool IsTight);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.OutcomeRun")]
internal readonly record struct OutcomeRunSurrogate([property: Id(0)] byte Outcome, [property: Id(1)] int Count);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.GatewayReport")]
internal readonly record struct GatewayReportSurrogate(
    [property: Id(0)] CreditClaim Claim,
    [property: Id(1)] long Registration,
    [property: Id(2)] long Epoch,
    [property: Id(3)] long Batch,
    [property: Id(4)] ImmutableArray<OutcomeRun> Outcomes,
    [property: Id(5)] TimeSpan Stalled,
    [property: Id(6)] ImmutableArray<string> Rids);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.ReportAnswer")]
internal readonly record struct ReportAnswerSurrogate(
    [property: Id(0)] CreditGrant? Grant, [property: Id(1)] long Batch, [property: Id(2)] bool IsKnown);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.LegTarget")]
internal readonly record struct LegTargetSurrogate(
    [property: Id(0)] string? BootstrapHost,
    [property: Id(1)] int? BootstrapPort,
    [property: Id(2)] int? RoutedDpRank,
    [property: Id(3)] int? DisaggPrefillDpRank);

[RegisterConverter]
internal sealed class CreditConverter :
    IConverter<WorkerReport, WorkerReportSurrogate>,
    IConverter<WorkerMember, WorkerMemberSurrogate>,
    IConverter<RankClaim, RankClaimSurrogate>,
    IConverter<CreditClaim, CreditClaimSurrogate>,
    IConverter<RankGrant, RankGrantSurrogate>,
    IConverter<CreditGrant, CreditGrantSurrogate>,
    IConverter<OutcomeRun, OutcomeRunSurrogate>,
    IConverter<GatewayReport, GatewayReportSurrogate>,
    IConverter<ReportAnswer, ReportAnswerSurrogate>,
    IConverter<LegTarget, LegTargetSurrogate>
{
    public WorkerReport ConvertFromSurrogate(in WorkerReportSurrogate wire) => new()
    {
        Spec = wire.Spec,
        Registration = wire.Registration,
        Writer = wire.Writer,
        Version = wire.Version,
        Snapshot = wire.Snapshot,
        Since = wire.Since,
        SwitchTo = (WorkerRole?)wire.SwitchTo,
    };

    public WorkerReportSurrogate ConvertToSurrogate(in WorkerReport value) => new(
        value.Spec, value.Registration, value.Writer, value.Version, value.Snapshot, value.Since, (byte?)value.SwitchTo);

    public WorkerMember ConvertFromSurrogate(in WorkerMemberSurrogate wire) => new(wire.Id, wire.Spec, wire.Registration);

    public WorkerMemberSurrogate ConvertToSurrogate(in WorkerMember value) => new(value.Id, value.Spec, value.Registration);

    public RankClaim ConvertFromSurrogate(in RankClaimSurrogate wire) =>
        new(wire.Held, wire.Running, wire.Waiting, wire.Peak, wire.Tokens);

    public RankClaimSurrogate ConvertToSurrogate(in RankClaim value) =>
        new(value.Held, value.Running, value.Waiting, value.Peak, value.Tokens);

    public CreditClaim ConvertFromSurrogate(in CreditClaimSurrogate wire) => new()
    {
        Gateway = wire.Gateway,
        Sequence = wire.Sequence,
        Ledger = wire.Ledger,
        Ranks = wire.Ranks.IsDefault ? [] : wire.Ranks,
        IsLeaving = wire.IsLeaving,
        IsBrief = wire.IsBrief,
    };

    public CreditClaimSurrogate ConvertToSurrogate(in CreditClaim value) =>
        new(value.Gateway, value.Sequence, value.Ledger, value.Ranks, value.IsLeaving, value.IsBrief);

    public RankGrant ConvertFromSurrogate(in RankGrantSurrogate wire) =>
        new(wire.Credits, wire.Share, wire.Others, wire.OthersTokens);

    public RankGrantSurrogate ConvertToSurrogate(in RankGrant value) =>
        new(value.Credits, value.Share, value.Others, value.OthersTokens);

    public CreditGrant ConvertFromSurrogate(in CreditGrantSurrogate wire) => new()
    {
        Ledger = wire.Ledger,
        ValidFor = wire.ValidFor,
        Ranks = wire.Ranks.IsDefault ? [] : wire.Ranks,
        IsTight = wire.IsTight,
    };

    public CreditGrantSurrogate ConvertToSurrogate(in CreditGrant value) =>
        new(value.Ledger, value.ValidFor, value.Ranks, value.IsTight);

    public OutcomeRun ConvertFromSurrogate(in OutcomeRunSurrogate wire) => new((LegOutcome)wire.Outcome, wire.Count);

    public OutcomeRunSurrogate ConvertToSurrogate(in OutcomeRun value) => new((byte)value.Outcome, value.Count);

    public GatewayReport ConvertFromSurrogate(in GatewayReportSurrogate wire) => new()
    {
        Claim = wire.Claim,
        Registration = wire.Registration,
        Epoch = wire.Epoch,
        Batch = wire.Batch,
        Outcomes = wire.Outcomes.IsDefault ? [] : wire.Outcomes,
        Stalled = wire.Stalled,
        Rids = wire.Rids.IsDefault ? [] : wire.Rids,
    };

    public GatewayReportSurrogate ConvertToSurrogate(in GatewayReport value) => new(
        value.Claim, value.Registration, value.Epoch, value.Batch, value.Outcomes, value.Stalled, value.Rids);

    public ReportAnswer ConvertFromSurrogate(in ReportAnswerSurrogate wire) => new(wire.Grant, wire.Batch, wire.IsKnown);

    public ReportAnswerSurrogate ConvertToSurrogate(in ReportAnswer value) => new(value.Grant, value.Batch, value.IsKnown);

    public LegTarget ConvertFromSurrogate(in LegTargetSurrogate wire) =>
        new(wire.BootstrapHost, wire.BootstrapPort, wire.RoutedDpRank, wire.DisaggPrefillDpRank);

    public LegTargetSurrogate ConvertToSurrogate(in LegTarget value) =>
        new(value.BootstrapHost, value.BootstrapPort, value.RoutedDpRank, value.DisaggPrefillDpRank);
}
