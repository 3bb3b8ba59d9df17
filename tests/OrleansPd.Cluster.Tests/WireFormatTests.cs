using System.Collections.Immutable;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;
using OrleansPd.Cluster.Grains;
using OrleansPd.Core.Admin;
using OrleansPd.Core.Credits;
using OrleansPd.Core.Requests;
using OrleansPd.Core.Workers;

namespace OrleansPd.Cluster.Tests;

/// <summary>
/// The bytes of Core's types on the wire and in storage. A change of them breaks a cluster of two releases or what is stored: new
/// members get new ids, and then the sample and the bytes here grow.
/// </summary>
public sealed class WireFormatTests : IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddSerializer().BuildServiceProvider();

    private static readonly WorkerFacts Facts = new()
    {
        Role = WorkerRole.Decode,
        ModelPath = "/m",
        ServedModelName = "m",
        TokenizerPath = "/t",
        Version = "0.5.18",
        DpSize = 4,
        PageSize = 64,
        KvCacheDtype = "fp8",
        TransferBackend = "nixl",
        LoadBalanceMethod = "round_robin",
        BootstrapPort = 8998,
        MaxRunningPerRank = 256,
        SlotsPerRank = 300,
        TokenCapacityPerRank = 1L << 40,
        ContextLength = 32768,
        ProcessIdentity = "pid=7",
        AdapterNames = "a\nb",
        Generates = true,
    };

    private static readonly ImmutableDictionary<string, string> Labels = new Dictionary<string, string> { ["zone"] = "a" }
        .ToImmutableDictionary();

    private static readonly WorkerSpec Spec = new()
    {
        Url = new("http://10.0.0.1:30000"),
        Role = WorkerRole.Regular,
        Id = new("w"),
        BootstrapPort = 8998,
        ApiKey = "key",
        Model = "m",
        DpSize = 2,
        Priority = 7,
        Cost = 1.5,
        Labels = Labels,
    };

    private static readonly WorkerSnapshot Snapshot = new()
    {
        Id = new("w"),
        Url = new("http://10.0.0.1:30000"),
        Role = WorkerRole.Decode,
        Phase = WorkerPhase.Broken,
        Epoch = 3,
        Slot = 5,
        Facts = Facts,
        Model = "m",
        BootstrapHost = "h",
        BootstrapPort = 1,
        FacadeHost = "f",
        FacadePort = 2,
        TransferGroup = "g",
        Priority = 9,
        Labels = Labels,
        ApiKey = "key",
        Reason = "why",
    };

    private static readonly CreditClaim Claim = new()
    {
        Gateway = "gw",
        Sequence = 2,
        Ledger = 3,
        Ranks = [new(4, 3, 2, 5, 1000)],
        IsLeaving = true,
        IsBrief = true,
    };

    private static readonly CreditGrant Grant = new()
    {
        Ledger = 9,
        ValidFor = TimeSpan.FromSeconds(120),
        Ranks = [new(4, 3, 2, 1000), new(0, 1, 0, 0)],
        IsTight = true,
    };

    private static readonly WorkerView View = new()
    {
        Worker = Snapshot,
        Cost = 1.5,
        Since = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
        Ranks = [new(0, 1, 2, 3, 4)],
        InFlight = 1,
        Safety = new(true, "idle"),
        SwitchTo = WorkerRole.Regular,
        Silo = "s",
    };

    private static readonly WorkerMember Member = new(new("w"), Spec, 77);

    private static readonly Dictionary<string, object> Samples = new()
    {
        ["WorkerId"] = new WorkerId("w"),
        ["WorkerSpec"] = Spec,
        ["WorkerSpec.Least"] = new WorkerSpec { Url = new("http://10.0.0.1:30000"), Role = WorkerRole.Prefill },
        ["WorkerFacts"] = Facts,
        ["WorkerFacts.Unknown"] = WorkerFacts.Unknown,
        ["WorkerSnapshot"] = Snapshot,
        ["WorkerReport"] = new WorkerReport
        {
            Spec = Spec,
            Registration = 77,
            Writer = 2,
            Version = 3,
            Snapshot = Snapshot,
            Since = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
            SwitchTo = WorkerRole.Decode,
        },
        ["WorkerMember"] = Member,
        ["CreditClaim"] = Claim,
        ["CreditGrant"] = Grant,
        ["LegTarget"] = new LegTarget("h", 1, 2, 3),
        ["GatewayReport"] = new GatewayReport
        {
            Claim = Claim,
            Registration = 77,
            Epoch = 3,
            Batch = 4,
            Outcomes = [new(LegOutcome.Neutral, 3), new(LegOutcome.Failed, 1)],
            Stalled = TimeSpan.FromSeconds(5),
            Rids = ["pd1", "pd2"],
        },
        ["ReportAnswer"] = new ReportAnswer(Grant, 4, true),
        ["ReportAnswer.None"] = new ReportAnswer(null, 4, false),
        ["WorkerView"] = View,
        ["WorkerPatch"] = new WorkerPatch { Priority = 1, Cost = 2, Labels = Labels, ApiKey = "" },
        ["AdminAnswer"] = AdminAnswer.Done(View),
        ["AdminAnswer.Failed"] = AdminAnswer.Failed(AdminProblem.Unavailable, "no"),
        ["PoolRecord"] = new PoolRecord { Members = [Member], TargetSize = 4, LastRegistration = 77, TargetAt = 5, Epoch = 9 },
    };

    public static TheoryData<string> Names => [.. Samples.Keys];

    [Theory, MemberData(nameof(Names))]
    public void A_message_is_written_as_the_same_bytes_and_read_back(string name)
    {
        var bytes = Convert.FromBase64String(Expected(name));
        var (written, read) = ((byte[], object))GetType()
            .GetMethod(nameof(ThereAndBack), BindingFlags.Instance | BindingFlags.NonPublic)!
            .MakeGenericMethod(Samples[name].GetType()).Invoke(this, [Samples[name], bytes])!;
        Assert.Equal(Convert.ToBase64String(bytes), Convert.ToBase64String(written));
        Assert.Equivalent(Samples[name], read, strict: true);
    }

    [Fact]
    public void Facts_of_a_release_that_did_not_send_adapters_are_read_as_facts_without_adapters()
    {
        var read = _services.GetRequiredService<Serializer>().Deserialize<WorkerFacts>(
            Convert.FromBase64String(Expected("WorkerFacts.WithoutAdapters")));
        Assert.Equal(Facts with { AdapterNames = "", Generates = null }, read);
    }

    [Fact]
    public void A_pool_that_a_release_without_epochs_stored_is_read_with_epoch_0()
    {
        var read = _services.GetRequiredService<Serializer>().Deserialize<PoolRecord>(
            Convert.FromBase64String(Expected("PoolRecord.WithoutEpoch")));
        Assert.Equivalent(
            new PoolRecord { Members = [Member], TargetSize = 4, LastRegistration = 77, TargetAt = 5 }, read, strict: true);
    }

    private (byte[] Written, object Read) ThereAndBack<T>(T value, byte[] bytes)
    {
        var serializer = _services.GetRequiredService<Serializer>();
        return (serializer.SerializeToArray(value), serializer.Deserialize<T>(bytes)!);
    }

    private static string Expected(string name) =>
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "WireFormat.txt")).Select(line => line.Split(' '))
            .Single(line => line[0] == name)[1];

    public void Dispose() => _services.Dispose();
}
