using System.Collections.Immutable;
using OrleansPd.Core.Admin;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Client.Contracts;

// How types of Core, which knows no Orleans, look on the wire. Ids are never used again, and new members get the next one: a silo
// of the version before skips what it does not know, and leaves out what came later. All in one file, so that a change is seen.

[GenerateSerializer, Immutable, Alias("pd.WorkerId")]
internal struct WorkerIdSurrogate
{
    [Id(0)]
    public string Value;
}

[RegisterConverter]
internal sealed class WorkerIdConverter : IConverter<WorkerId, WorkerIdSurrogate>
{
    public WorkerId ConvertFromSurrogate(in WorkerIdSurrogate surrogate) =>
        new(surrogate.Value);

    public WorkerIdSurrogate ConvertToSurrogate(in WorkerId value) =>
        new()
        {
            Value = value.Value,
        };
}

[GenerateSerializer, Immutable, Alias("pd.WorkerSpec")]
internal struct WorkerSpecSurrogate
{
    [Id(0)]
    public Uri Url;

    [Id(1)]
    public byte Role;

    [Id(2)]
    public WorkerId? Id;

    [Id(3)]
    public int? BootstrapPort;

    [Id(4)]
    public string? ApiKey;

    [Id(5)]
    public string? Model;

    [Id(6)]
    public int? DpSize;

    [Id(7)]
    public int Priority;

    [Id(8)]
    public double Cost;

    [Id(9)]
    public ImmutableDictionary<string, string>? Labels;
}

[RegisterConverter]
internal sealed class WorkerSpecConverter : IConverter<WorkerSpec, WorkerSpecSurrogate>
{
    public WorkerSpec ConvertFromSurrogate(in WorkerSpecSurrogate surrogate) =>
        new()
        {
            Url = surrogate.Url,
            Role = (WorkerRole)surrogate.Role,
            Id = surrogate.Id,
            BootstrapPort = surrogate.BootstrapPort,
            ApiKey = surrogate.ApiKey,
            Model = surrogate.Model,
            DpSize = surrogate.DpSize,
            Priority = surrogate.Priority,
            Cost = surrogate.Cost,
            Labels = surrogate.Labels,
        };

    public WorkerSpecSurrogate ConvertToSurrogate(in WorkerSpec value) =>
        new()
        {
            Url = value.Url,
            Role = (byte)value.Role,
            Id = value.Id,
            BootstrapPort = value.BootstrapPort,
            ApiKey = value.ApiKey,
            Model = value.Model,
            DpSize = value.DpSize,
            Priority = value.Priority,
            Cost = value.Cost,
            Labels = value.Labels,
        };
}

[GenerateSerializer, Immutable, Alias("pd.WorkerFacts")]
internal struct WorkerFactsSurrogate
{
    [Id(0)]
    public byte? Role;

    [Id(1)]
    public string? ModelPath;

    [Id(2)]
    public string? ServedModelName;

    [Id(3)]
    public string? TokenizerPath;

    [Id(4)]
    public string? Version;

    [Id(5)]
    public int DpSize;

    [Id(6)]
    public int? PageSize;

    [Id(7)]
    public string? KvCacheDtype;

    [Id(8)]
    public string? TransferBackend;

    [Id(9)]
    public string? LoadBalanceMethod;

    [Id(10)]
    public int? BootstrapPort;

    [Id(11)]
    public int? MaxRunningPerRank;

    [Id(12)]
    public int? SlotsPerRank;

    [Id(13)]
    public long? TokenCapacityPerRank;

    [Id(14)]
    public int? ContextLength;

    [Id(15)]
    public string? ProcessIdentity;
}

[RegisterConverter]
internal sealed class WorkerFactsConverter : IConverter<WorkerFacts, WorkerFactsSurrogate>
{
    public WorkerFacts ConvertFromSurrogate(in WorkerFactsSurrogate surrogate) =>
        new()
        {
            Role = (WorkerRole?)surrogate.Role,
            ModelPath = surrogate.ModelPath,
            ServedModelName = surrogate.ServedModelName,
            TokenizerPath = surrogate.TokenizerPath,
            Version = surrogate.Version,
            DpSize = surrogate.DpSize,
            PageSize = surrogate.PageSize,
            KvCacheDtype = surrogate.KvCacheDtype,
            TransferBackend = surrogate.TransferBackend,
            LoadBalanceMethod = surrogate.LoadBalanceMethod,
            BootstrapPort = surrogate.BootstrapPort,
            MaxRunningPerRank = surrogate.MaxRunningPerRank,
            SlotsPerRank = surrogate.SlotsPerRank,
            TokenCapacityPerRank = surrogate.TokenCapacityPerRank,
            ContextLength = surrogate.ContextLength,
            ProcessIdentity = surrogate.ProcessIdentity,
        };

    public WorkerFactsSurrogate ConvertToSurrogate(in WorkerFacts value) =>
        new()
        {
            Role = (byte?)value.Role,
            ModelPath = value.ModelPath,
            ServedModelName = value.ServedModelName,
            TokenizerPath = value.TokenizerPath,
            Version = value.Version,
            DpSize = value.DpSize,
            PageSize = value.PageSize,
            KvCacheDtype = value.KvCacheDtype,
            TransferBackend = value.TransferBackend,
            LoadBalanceMethod = value.LoadBalanceMethod,
            BootstrapPort = value.BootstrapPort,
            MaxRunningPerRank = value.MaxRunningPerRank,
            SlotsPerRank = value.SlotsPerRank,
            TokenCapacityPerRank = value.TokenCapacityPerRank,
            ContextLength = value.ContextLength,
            ProcessIdentity = value.ProcessIdentity,
        };
}

[GenerateSerializer, Immutable, Alias("pd.WorkerSnapshot")]
internal struct WorkerSnapshotSurrogate
{
    [Id(0)]
    public WorkerId Id;

    [Id(1)]
    public Uri Url;

    [Id(2)]
    public byte Role;

    [Id(3)]
    public byte Phase;

    [Id(4)]
    public long Epoch;

    [Id(5)]
    public int Slot;

    [Id(6)]
    public WorkerFacts Facts;

    [Id(7)]
    public string? Model;

    [Id(8)]
    public string? BootstrapHost;

    [Id(9)]
    public int? BootstrapPort;

    [Id(10)]
    public string? FacadeHost;

    [Id(11)]
    public int? FacadePort;

    [Id(12)]
    public string TransferGroup;

    [Id(13)]
    public int Priority;

    [Id(14)]
    public ImmutableDictionary<string, string> Labels;

    [Id(15)]
    public string? ApiKey;

    [Id(16)]
    public string? Reason;
}

[RegisterConverter]
internal sealed class WorkerSnapshotConverter : IConverter<WorkerSnapshot, WorkerSnapshotSurrogate>
{
    public WorkerSnapshot ConvertFromSurrogate(in WorkerSnapshotSurrogate surrogate) =>
        new()
        {
            Id = surrogate.Id,
            Url = surrogate.Url,
            Role = (WorkerRole)surrogate.Role,
            Phase = (WorkerPhase)surrogate.Phase,
            Epoch = surrogate.Epoch,
            Slot = surrogate.Slot,
            Facts = surrogate.Facts,
            Model = surrogate.Model,
            BootstrapHost = surrogate.BootstrapHost,
            BootstrapPort = surrogate.BootstrapPort,
            FacadeHost = surrogate.FacadeHost,
            FacadePort = surrogate.FacadePort,
            TransferGroup = surrogate.TransferGroup,
            Priority = surrogate.Priority,
            Labels = surrogate.Labels,
            ApiKey = surrogate.ApiKey,
            Reason = surrogate.Reason,
        };

    public WorkerSnapshotSurrogate ConvertToSurrogate(in WorkerSnapshot value) =>
        new()
        {
            Id = value.Id,
            Url = value.Url,
            Role = (byte)value.Role,
            Phase = (byte)value.Phase,
            Epoch = value.Epoch,
            Slot = value.Slot,
            Facts = value.Facts,
            Model = value.Model,
            BootstrapHost = value.BootstrapHost,
            BootstrapPort = value.BootstrapPort,
            FacadeHost = value.FacadeHost,
            FacadePort = value.FacadePort,
            TransferGroup = value.TransferGroup,
            Priority = value.Priority,
            Labels = value.Labels,
            ApiKey = value.ApiKey,
            Reason = value.Reason,
        };
}

[GenerateSerializer, Immutable, Alias("pd.WorkerReport")]
internal struct WorkerReportSurrogate
{
    [Id(0)]
    public WorkerSpec Spec;

    [Id(1)]
    public long Registration;

    [Id(2)]
    public long Writer;

    [Id(3)]
    public long Version;

    [Id(4)]
    public WorkerSnapshot Shown;

    [Id(5)]
    public DateTimeOffset Since;

    [Id(6)]
    public byte? SwitchTo;
}

[RegisterConverter]
internal sealed class WorkerReportConverter : IConverter<WorkerReport, WorkerReportSurrogate>
{
    public WorkerReport ConvertFromSurrogate(in WorkerReportSurrogate surrogate) =>
        new()
        {
            Spec = surrogate.Spec,
            Registration = surrogate.Registration,
            Writer = surrogate.Writer,
            Version = surrogate.Version,
            Shown = surrogate.Shown,
            Since = surrogate.Since,
            SwitchTo = (WorkerRole?)surrogate.SwitchTo,
        };

    public WorkerReportSurrogate ConvertToSurrogate(in WorkerReport value) =>
        new()
        {
            Spec = value.Spec,
            Registration = value.Registration,
            Writer = value.Writer,
            Version = value.Version,
            Shown = value.Shown,
            Since = value.Since,
            SwitchTo = (byte?)value.SwitchTo,
        };
}

[GenerateSerializer, Immutable, Alias("pd.WorkerMember")]
internal struct WorkerMemberSurrogate
{
    [Id(0)]
    public WorkerId Id;

    [Id(1)]
    public WorkerSpec Spec;

    [Id(2)]
    public long Registration;
}

[RegisterConverter]
internal sealed class WorkerMemberConverter : IConverter<WorkerMember, WorkerMemberSurrogate>
{
    public WorkerMember ConvertFromSurrogate(in WorkerMemberSurrogate surrogate) =>
        new(surrogate.Id, surrogate.Spec, surrogate.Registration);

    public WorkerMemberSurrogate ConvertToSurrogate(in WorkerMember value) =>
        new()
        {
            Id = value.Id,
            Spec = value.Spec,
            Registration = value.Registration,
        };
}

[GenerateSerializer, Immutable, Alias("pd.RankClaim")]
internal struct RankClaimSurrogate
{
    [Id(0)]
    public int Held;

    [Id(1)]
    public int Running;

    [Id(2)]
    public int Wanted;

    [Id(3)]
    public int Peak;

    [Id(4)]
    public long Tokens;
}

[RegisterConverter]
internal sealed class RankClaimConverter : IConverter<RankClaim, RankClaimSurrogate>
{
    public RankClaim ConvertFromSurrogate(in RankClaimSurrogate surrogate) =>
        new(surrogate.Held, surrogate.Running, surrogate.Wanted, surrogate.Peak, surrogate.Tokens);

    public RankClaimSurrogate ConvertToSurrogate(in RankClaim value) =>
        new()
        {
            Held = value.Held,
            Running = value.Running,
            Wanted = value.Wanted,
            Peak = value.Peak,
            Tokens = value.Tokens,
        };
}

[GenerateSerializer, Immutable, Alias("pd.CreditClaim")]
internal struct CreditClaimSurrogate
{
    [Id(0)]
    public string Gateway;

    [Id(1)]
    public long Sequence;

    [Id(2)]
    public long Ledger;

    [Id(3)]
    public ImmutableArray<RankClaim> Ranks;

    [Id(4)]
    public bool IsLeaving;

    [Id(5)]
    public bool IsBrief;
}

[RegisterConverter]
internal sealed class CreditClaimConverter : IConverter<CreditClaim, CreditClaimSurrogate>
{
    public CreditClaim ConvertFromSurrogate(in CreditClaimSurrogate surrogate) =>
        new()
        {
            Gateway = surrogate.Gateway,
            Sequence = surrogate.Sequence,
            Ledger = surrogate.Ledger,
            Ranks = surrogate.Ranks.IsDefault ? [] : surrogate.Ranks,
            IsLeaving = surrogate.IsLeaving,
            IsBrief = surrogate.IsBrief,
        };

    public CreditClaimSurrogate ConvertToSurrogate(in CreditClaim value) =>
        new()
        {
            Gateway = value.Gateway,
            Sequence = value.Sequence,
            Ledger = value.Ledger,
            Ranks = value.Ranks,
            IsLeaving = value.IsLeaving,
            IsBrief = value.IsBrief,
        };
}

[GenerateSerializer, Immutable, Alias("pd.RankGrant")]
internal struct RankGrantSurrogate
{
    [Id(0)]
    public int Credits;

    [Id(1)]
    public int Share;

    [Id(2)]
    public int Others;

    [Id(3)]
    public long OthersTokens;
}

[RegisterConverter]
internal sealed class RankGrantConverter : IConverter<RankGrant, RankGrantSurrogate>
{
    public RankGrant ConvertFromSurrogate(in RankGrantSurrogate surrogate) =>
        new(surrogate.Credits, surrogate.Share, surrogate.Others, surrogate.OthersTokens);

    public RankGrantSurrogate ConvertToSurrogate(in RankGrant value) =>
        new()
        {
            Credits = value.Credits,
            Share = value.Share,
            Others = value.Others,
            OthersTokens = value.OthersTokens,
        };
}

[GenerateSerializer, Immutable, Alias("pd.CreditGrant")]
internal struct CreditGrantSurrogate
{
    [Id(0)]
    public long Ledger;

    [Id(1)]
    public TimeSpan ValidFor;

    [Id(2)]
    public ImmutableArray<RankGrant> Ranks;

    [Id(3)]
    public bool IsTight;
}

[RegisterConverter]
internal sealed class CreditGrantConverter : IConverter<CreditGrant, CreditGrantSurrogate>
{
    public CreditGrant ConvertFromSurrogate(in CreditGrantSurrogate surrogate) =>
        new()
        {
            Ledger = surrogate.Ledger,
            ValidFor = surrogate.ValidFor,
            Ranks = surrogate.Ranks.IsDefault ? [] : surrogate.Ranks,
            IsTight = surrogate.IsTight,
        };

    public CreditGrantSurrogate ConvertToSurrogate(in CreditGrant value) =>
        new()
        {
            Ledger = value.Ledger,
            ValidFor = value.ValidFor,
            Ranks = value.Ranks,
            IsTight = value.IsTight,
        };
}

[GenerateSerializer, Immutable, Alias("pd.LegTarget")]
internal struct LegTargetSurrogate
{
    [Id(0)]
    public string? BootstrapHost;

    [Id(1)]
    public int? BootstrapPort;

    [Id(2)]
    public int? RoutedDpRank;

    [Id(3)]
    public int? DisaggPrefillDpRank;
}

[RegisterConverter]
internal sealed class LegTargetConverter : IConverter<LegTarget, LegTargetSurrogate>
{
    public LegTarget ConvertFromSurrogate(in LegTargetSurrogate surrogate) =>
        new(surrogate.BootstrapHost, surrogate.BootstrapPort, surrogate.RoutedDpRank, surrogate.DisaggPrefillDpRank);

    public LegTargetSurrogate ConvertToSurrogate(in LegTarget value) =>
        new()
        {
            BootstrapHost = value.BootstrapHost,
            BootstrapPort = value.BootstrapPort,
            RoutedDpRank = value.RoutedDpRank,
            DisaggPrefillDpRank = value.DisaggPrefillDpRank,
        };
}

[GenerateSerializer, Immutable, Alias("pd.OutcomeRun")]
internal struct OutcomeRunSurrogate
{
    [Id(0)]
    public byte Outcome;

    [Id(1)]
    public int Count;
}

[RegisterConverter]
internal sealed class OutcomeRunConverter : IConverter<OutcomeRun, OutcomeRunSurrogate>
{
    public OutcomeRun ConvertFromSurrogate(in OutcomeRunSurrogate surrogate) =>
        new((LegOutcome)surrogate.Outcome, surrogate.Count);

    public OutcomeRunSurrogate ConvertToSurrogate(in OutcomeRun value) =>
        new()
        {
            Outcome = (byte)value.Outcome,
            Count = value.Count,
        };
}

[GenerateSerializer, Immutable, Alias("pd.GatewayReport")]
internal struct GatewayReportSurrogate
{
    [Id(0)]
    public CreditClaim Claim;

    [Id(1)]
    public long Registration;

    [Id(2)]
    public long Epoch;

    [Id(3)]
    public long Batch;

    [Id(4)]
    public ImmutableArray<OutcomeRun> Outcomes;

    [Id(5)]
    public TimeSpan Stalled;

    [Id(6)]
    public ImmutableArray<string> Rids;
}

[RegisterConverter]
internal sealed class GatewayReportConverter : IConverter<GatewayReport, GatewayReportSurrogate>
{
    public GatewayReport ConvertFromSurrogate(in GatewayReportSurrogate surrogate) =>
        new()
        {
            Claim = surrogate.Claim,
            Registration = surrogate.Registration,
            Epoch = surrogate.Epoch,
            Batch = surrogate.Batch,
            Outcomes = surrogate.Outcomes.IsDefault ? [] : surrogate.Outcomes,
            Stalled = surrogate.Stalled,
            Rids = surrogate.Rids.IsDefault ? [] : surrogate.Rids,
        };

    public GatewayReportSurrogate ConvertToSurrogate(in GatewayReport value) =>
        new()
        {
            Claim = value.Claim,
            Registration = value.Registration,
            Epoch = value.Epoch,
            Batch = value.Batch,
            Outcomes = value.Outcomes,
            Stalled = value.Stalled,
            Rids = value.Rids,
        };
}

[GenerateSerializer, Immutable, Alias("pd.ReportAnswer")]
internal struct ReportAnswerSurrogate
{
    [Id(0)]
    public CreditGrant? Grant;

    [Id(1)]
    public long Batch;

    [Id(2)]
    public bool IsKnown;
}

[RegisterConverter]
internal sealed class ReportAnswerConverter : IConverter<ReportAnswer, ReportAnswerSurrogate>
{
    public ReportAnswer ConvertFromSurrogate(in ReportAnswerSurrogate surrogate) =>
        new(surrogate.Grant, surrogate.Batch, surrogate.IsKnown);

    public ReportAnswerSurrogate ConvertToSurrogate(in ReportAnswer value) =>
        new()
        {
            Grant = value.Grant,
            Batch = value.Batch,
            IsKnown = value.IsKnown,
        };
}

[GenerateSerializer, Immutable, Alias("pd.RankView")]
internal struct RankViewSurrogate
{
    [Id(0)]
    public int Rank;

    [Id(1)]
    public int InFlight;

    [Id(2)]
    public int Foreign;

    [Id(3)]
    public int Window;

    [Id(4)]
    public long Tokens;
}

[RegisterConverter]
internal sealed class RankViewConverter : IConverter<RankView, RankViewSurrogate>
{
    public RankView ConvertFromSurrogate(in RankViewSurrogate surrogate) =>
        new(surrogate.Rank, surrogate.InFlight, surrogate.Foreign, surrogate.Window, surrogate.Tokens);

    public RankViewSurrogate ConvertToSurrogate(in RankView value) =>
        new()
        {
            Rank = value.Rank,
            InFlight = value.InFlight,
            Foreign = value.Foreign,
            Window = value.Window,
            Tokens = value.Tokens,
        };
}

[GenerateSerializer, Immutable, Alias("pd.KillSafety")]
internal struct KillSafetySurrogate
{
    [Id(0)]
    public bool IsSafe;

    [Id(1)]
    public string Why;
}

[RegisterConverter]
internal sealed class KillSafetyConverter : IConverter<KillSafety, KillSafetySurrogate>
{
    public KillSafety ConvertFromSurrogate(in KillSafetySurrogate surrogate) =>
        new(surrogate.IsSafe, surrogate.Why);

    public KillSafetySurrogate ConvertToSurrogate(in KillSafety value) =>
        new()
        {
            IsSafe = value.IsSafe,
            Why = value.Why,
        };
}

[GenerateSerializer, Immutable, Alias("pd.WorkerView")]
internal struct WorkerViewSurrogate
{
    [Id(0)]
    public WorkerSnapshot Worker;

    [Id(1)]
    public double Cost;

    [Id(2)]
    public DateTimeOffset Since;

    [Id(3)]
    public ImmutableArray<RankView> Ranks;

    [Id(4)]
    public int InFlight;

    [Id(5)]
    public KillSafety Safety;

    [Id(6)]
    public byte? SwitchTo;

    [Id(7)]
    public string? Silo;
}

[RegisterConverter]
internal sealed class WorkerViewConverter : IConverter<WorkerView, WorkerViewSurrogate>
{
    public WorkerView ConvertFromSurrogate(in WorkerViewSurrogate surrogate) =>
        new()
        {
            Worker = surrogate.Worker,
            Cost = surrogate.Cost,
            Since = surrogate.Since,
            Ranks = surrogate.Ranks.IsDefault ? [] : surrogate.Ranks,
            InFlight = surrogate.InFlight,
            Safety = surrogate.Safety,
            SwitchTo = (WorkerRole?)surrogate.SwitchTo,
            Silo = surrogate.Silo,
        };

    public WorkerViewSurrogate ConvertToSurrogate(in WorkerView value) =>
        new()
        {
            Worker = value.Worker,
            Cost = value.Cost,
            Since = value.Since,
            Ranks = value.Ranks,
            InFlight = value.InFlight,
            Safety = value.Safety,
            SwitchTo = (byte?)value.SwitchTo,
            Silo = value.Silo,
        };
}

[GenerateSerializer, Immutable, Alias("pd.WorkerPatch")]
internal struct WorkerPatchSurrogate
{
    [Id(0)]
    public int? Priority;

    [Id(1)]
    public double? Cost;

    [Id(2)]
    public ImmutableDictionary<string, string>? Labels;

    [Id(3)]
    public string? ApiKey;
}

[RegisterConverter]
internal sealed class WorkerPatchConverter : IConverter<WorkerPatch, WorkerPatchSurrogate>
{
    public WorkerPatch ConvertFromSurrogate(in WorkerPatchSurrogate surrogate) =>
        new()
        {
            Priority = surrogate.Priority,
            Cost = surrogate.Cost,
            Labels = surrogate.Labels,
            ApiKey = surrogate.ApiKey,
        };

    public WorkerPatchSurrogate ConvertToSurrogate(in WorkerPatch value) =>
        new()
        {
            Priority = value.Priority,
            Cost = value.Cost,
            Labels = value.Labels,
            ApiKey = value.ApiKey,
        };
}

[GenerateSerializer, Immutable, Alias("pd.AdminAnswer")]
internal struct AdminAnswerSurrogate
{
    [Id(0)]
    public WorkerView? Worker;

    [Id(1)]
    public byte? Problem;

    [Id(2)]
    public string? Message;
}

[RegisterConverter]
internal sealed class AdminAnswerConverter : IConverter<AdminAnswer, AdminAnswerSurrogate>
{
    public AdminAnswer ConvertFromSurrogate(in AdminAnswerSurrogate surrogate) =>
        new(surrogate.Worker, (AdminProblem?)surrogate.Problem, surrogate.Message);

    public AdminAnswerSurrogate ConvertToSurrogate(in AdminAnswer value) =>
        new()
        {
            Worker = value.Worker,
            Problem = (byte?)value.Problem,
            Message = value.Message,
        };
}
