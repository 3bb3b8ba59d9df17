namespace OrleansPd.Client.Contracts;

// The wire format of Core's types. Core does not reference Orleans, and Orleans' generator cannot set init-only members of
// another assembly, so each type has a surrogate. An id is never used again; a new member gets the next one. A silo of an older
// release skips members that it does not know and omits those that came later. IncludePrimaryConstructorParameters = false,
// because Orleans would otherwise write parameters and other members as two groups: other bytes than those of the first releases.

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.WorkerId")]
internal readonly record struct WorkerIdSurrogate([property: Id(0)] string Value);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.WorkerSpec")]
internal readonly record struct WorkerSpecSurrogate(
    [property: Id(0)] Uri Url,
    [property: Id(1)] byte Role,
    [property: Id(2)] WorkerId? Id,
    [property: Id(3)] int? BootstrapPort,
    [property: Id(4)] string? ApiKey,
    [property: Id(5)] string? Model,
    [property: Id(6)] int? DpSize,
    [property: Id(7)] int Priority,
    [property: Id(8)] double Cost,
    [property: Id(9)] ImmutableDictionary<string, string>? Labels);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.WorkerFacts")]
internal readonly record struct WorkerFactsSurrogate(
    [property: Id(0)] byte? Role,
    [property: Id(1)] string? ModelPath,
    [property: Id(2)] string? ServedModelName,
    [property: Id(3)] string? TokenizerPath,
    [property: Id(4)] string? Version,
    [property: Id(5)] int DpSize,
    [property: Id(6)] int? PageSize,
    [property: Id(7)] string? KvCacheDtype,
    [property: Id(8)] string? TransferBackend,
    [property: Id(9)] string? LoadBalanceMethod,
    [property: Id(10)] int? BootstrapPort,
    [property: Id(11)] int? MaxRunningPerRank,
    [property: Id(12)] int? SlotsPerRank,
    [property: Id(13)] long? TokenCapacityPerRank,
    [property: Id(14)] int? ContextLength,
    [property: Id(15)] string? ProcessIdentity,
    [property: Id(16)] string? AdapterNames,
    [property: Id(17)] bool? Generates);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.WorkerSnapshot")]
internal readonly record struct WorkerSnapshotSurrogate(
    [property: Id(0)] WorkerId Id,
    [property: Id(1)] Uri Url,
    [property: Id(2)] byte Role,
    [property: Id(3)] byte Phase,
    [property: Id(4)] long Epoch,
    [property: Id(5)] int Slot,
    [property: Id(6)] WorkerFacts Facts,
    [property: Id(7)] string? Model,
    [property: Id(8)] string? BootstrapHost,
    [property: Id(9)] int? BootstrapPort,
    [property: Id(10)] string? FacadeHost,
    [property: Id(11)] int? FacadePort,
    [property: Id(12)] string TransferGroup,
    [property: Id(13)] int Priority,
    [property: Id(14)] ImmutableDictionary<string, string> Labels,
    [property: Id(15)] string? ApiKey,
    [property: Id(16)] string? Reason);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.KillSafety")]
internal readonly record struct KillSafetySurrogate([property: Id(0)] bool IsSafe, [property: Id(1)] string Why);

[RegisterConverter]
internal sealed class WorkerConverter :
    IConverter<WorkerId, WorkerIdSurrogate>,
    IConverter<WorkerSpec, WorkerSpecSurrogate>,
    IConverter<WorkerFacts, WorkerFactsSurrogate>,
    IConverter<WorkerSnapshot, WorkerSnapshotSurrogate>,
    IConverter<KillSafety, KillSafetySurrogate>
{
    public WorkerId ConvertFromSurrogate(in WorkerIdSurrogate wire) => new(wire.Value);

    public WorkerIdSurrogate ConvertToSurrogate(in WorkerId value) => new(value.Value);

    public WorkerSpec ConvertFromSurrogate(in WorkerSpecSurrogate wire) => new()
    {
        Url = wire.Url,
        Role = (WorkerRole)wire.Role,
        Id = wire.Id,
        BootstrapPort = wire.BootstrapPort,
        ApiKey = wire.ApiKey,
        Model = wire.Model,
        DpSize = wire.DpSize,
        Priority = wire.Priority,
        Cost = wire.Cost,
        Labels = wire.Labels,
    };

    public WorkerSpecSurrogate ConvertToSurrogate(in WorkerSpec value) => new(
        value.Url, (byte)value.Role, value.Id, value.BootstrapPort, value.ApiKey, value.Model, value.DpSize, value.Priority,
        value.Cost, value.Labels);

    public WorkerFacts ConvertFromSurrogate(in WorkerFactsSurrogate wire) => new()
    {
        Role = (WorkerRole?)wire.Role,
        ModelPath = wire.ModelPath,
        ServedModelName = wire.ServedModelName,
        TokenizerPath = wire.TokenizerPath,
        Version = wire.Version,
        DpSize = wire.DpSize,
        PageSize = wire.PageSize,
        KvCacheDtype = wire.KvCacheDtype,
        TransferBackend = wire.TransferBackend,
        LoadBalanceMethod = wire.LoadBalanceMethod,
        BootstrapPort = wire.BootstrapPort,
        MaxRunningPerRank = wire.MaxRunningPerRank,
        SlotsPerRank = wire.SlotsPerRank,
        TokenCapacityPerRank = wire.TokenCapacityPerRank,
        ContextLength = wire.ContextLength,
        ProcessIdentity = wire.ProcessIdentity,
        AdapterNames = wire.AdapterNames ?? "",
        Generates = wire.Generates,
    };

    public WorkerFactsSurrogate ConvertToSurrogate(in WorkerFacts value) => new(
        (byte?)value.Role, value.ModelPath, value.ServedModelName, value.TokenizerPath, value.Version, value.DpSize,
        value.PageSize, value.KvCacheDtype, value.TransferBackend, value.LoadBalanceMethod, value.BootstrapPort,
        value.MaxRunningPerRank, value.SlotsPerRank, value.TokenCapacityPerRank, value.ContextLength, value.ProcessIdentity,
        value.AdapterNames, value.Generates);

    public WorkerSnapshot ConvertFromSurrogate(in WorkerSnapshotSurrogate wire) => new()
    {
        Id = wire.Id,
        Url = wire.Url,
        Role = (WorkerRole)wire.Role,
        Phase = (WorkerPhase)wire.Phase,
        Epoch = wire.Epoch,
        Slot = wire.Slot,
        Facts = wire.Facts,
        Model = wire.Model,
        BootstrapHost = wire.BootstrapHost,
        BootstrapPort = wire.BootstrapPort,
        FacadeHost = wire.FacadeHost,
        FacadePort = wire.FacadePort,
        TransferGroup = wire.TransferGroup,
        Priority = wire.Priority,
        Labels = wire.Labels,
        ApiKey = wire.ApiKey,
        Reason = wire.Reason,
    };

    public WorkerSnapshotSurrogate ConvertToSurrogate(in WorkerSnapshot value) => new(
        value.Id, value.Url, (byte)value.Role, (byte)value.Phase, value.Epoch, value.Slot, value.Facts, value.Model,
        value.BootstrapHost, value.BootstrapPort, value.FacadeHost, value.FacadePort, value.TransferGroup, value.Priority,
        value.Labels, value.ApiKey, value.Reason);

    public KillSafety ConvertFromSurrogate(in KillSafetySurrogate wire) => new(wire.IsSafe, wire.Why);

    public KillSafetySurrogate ConvertToSurrogate(in KillSafety value) => new(value.IsSafe, value.Why);
}
