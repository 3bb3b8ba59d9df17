namespace OrleansPd.Client.Contracts;

// See WorkerSurrogates.cs for the rules.

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.RankView")]
internal readonly record struct RankViewSurrogate(
    [property: Id(0)] int Rank,
    [property: Id(1)] int InFlight,
    [property: Id(2)] int Foreign,
    [property: Id(3)] int Capacity,
    [property: Id(4)] long Tokens);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.WorkerView")]
internal readonly record struct WorkerViewSurrogate(
    [property: Id(0)] WorkerSnapshot Worker,
    [property: Id(1)] double Cost,
    [property: Id(2)] DateTimeOffset Since,
    [property: Id(3)] ImmutableArray<RankView> Ranks,
    [property: Id(4)] int InFlight,
    [property: Id(5)] KillSafety Safety,
    [property: Id(6)] byte? SwitchTo,
    [property: Id(7)] string? Silo);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.WorkerPatch")]
internal readonly record struct WorkerPatchSurrogate(
    [property: Id(0)] int? Priority,
    [property: Id(1)] double? Cost,
    [property: Id(2)] ImmutableDictionary<string, string>? Labels,
    [property: Id(3)] string? ApiKey);

[GenerateSerializer(IncludePrimaryConstructorParameters = false), Immutable, Alias("pd.AdminAnswer")]
internal readonly record struct AdminAnswerSurrogate(
    [property: Id(0)] WorkerView? Worker, [property: Id(1)] byte? Problem, [property: Id(2)] string? Message);

[RegisterConverter]
internal sealed class AdminConverter :
    IConverter<RankView, RankViewSurrogate>,
    IConverter<WorkerView, WorkerViewSurrogate>,
    IConverter<WorkerPatch, WorkerPatchSurrogate>,
    IConverter<AdminAnswer, AdminAnswerSurrogate>
{
    public RankView ConvertFromSurrogate(in RankViewSurrogate wire) =>
        new(wire.Rank, wire.InFlight, wire.Foreign, wire.Capacity, wire.Tokens);

    public RankViewSurrogate ConvertToSurrogate(in RankView value) =>
        new(value.Rank, value.InFlight, value.Foreign, value.Capacity, value.Tokens);

    public WorkerView ConvertFromSurrogate(in WorkerViewSurrogate wire) => new()
    {
        Worker = wire.Worker,
        Cost = wire.Cost,
        Since = wire.Since,
        Ranks = wire.Ranks.IsDefault ? [] : wire.Ranks,
        InFlight = wire.InFlight,
        Safety = wire.Safety,
        SwitchTo = (WorkerRole?)wire.SwitchTo,
        Silo = wire.Silo,
    };

    public WorkerViewSurrogate ConvertToSurrogate(in WorkerView value) => new(
        value.Worker, value.Cost, value.Since, value.Ranks, value.InFlight, value.Safety, (byte?)value.SwitchTo, value.Silo);

    public WorkerPatch ConvertFromSurrogate(in WorkerPatchSurrogate wire) =>
        new() { Priority = wire.Priority, Cost = wire.Cost, Labels = wire.Labels, ApiKey = wire.ApiKey };

    public WorkerPatchSurrogate ConvertToSurrogate(in WorkerPatch value) =>
        new(value.Priority, value.Cost, value.Labels, value.ApiKey);

    public AdminAnswer ConvertFromSurrogate(in AdminAnswerSurrogate wire) =>
        new(wire.Worker, (AdminProblem?)wire.Problem, wire.Message);

    public AdminAnswerSurrogate ConvertToSurrogate(in AdminAnswer value) =>
        new(value.Worker, (byte?)value.Problem, value.Message);
}
