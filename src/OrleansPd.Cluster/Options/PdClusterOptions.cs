using System.ComponentModel.DataAnnotations;

namespace OrleansPd.Cluster.Options;

/// <summary>Options of the messages inside a cluster. Configuration section <c>Cluster</c>.</summary>
public sealed class PdClusterOptions
{
    /// <summary>Name of the grain storage for pools and the fleet.</summary>
    public const string Storage = "orleanspd";

    /// <summary>
    /// Milliseconds between two reports of a gateway to a worker's grain while capacity is not scarce, 10-10000. Default 200.
    /// </summary>
    [Range(10, 10_000)]
    public int SyncIntervalMs { get; set; } = 200;

    /// <summary>The same while capacity is scarce or after a failure, 1-1000. Default 10.</summary>
    [Range(1, 1000)]
    public int SyncUrgentMs { get; set; } = 10;

    /// <summary>
    /// Minimum milliseconds between two reports of a gateway's requests in flight to another silo, 5-10000. Default 25, plus 1 ms
    /// for each ten requests, so that reporting costs about 1 % of a core. Requests started within this time before a gateway
    /// dies are not aborted by others: they end when their engine detects the closed connection.
    /// </summary>
    [Range(5, 10_000)]
    public int WitnessIntervalMs { get; set; } = 25;

    /// <summary>
    /// Milliseconds between two messages to other gateways about the ranks of prefixes and sessions, 50-60000; 0 = none. Default
    /// 500. With them, several gateways choose as one gateway would.
    /// </summary>
    [Range(0, 60_000)]
    public int AffinityIntervalMs { get; set; } = 500;

    /// <summary>
    /// Seconds after which credits of a gateway that does not report expire, 10-3600. Default 120. Membership detects a dead
    /// gateway within seconds; this limit applies when membership itself is unavailable. Gateways use their credits for as long
    /// without a worker's grain.
    /// </summary>
    [Range(10, 3600)]
    public int CreditSecs { get; set; } = 120;

    /// <summary>
    /// Maximum milliseconds that a newly activated worker grain waits for the reports of all gateways about their credits,
    /// 100-60000. Default 2000.
    /// </summary>
    [Range(100, 60_000)]
    public int LearnMs { get; set; } = 2000;

    /// <summary>
    /// Milliseconds after the abort of a dead gateway's requests until their capacity is granted to others, 0-60000. Default
    /// 1100: the abort is repeated after one second, for requests that the engine had not accepted before.
    /// </summary>
    [Range(0, 60_000)]
    public int AbortSettleMs { get; set; } = 1100;

    /// <summary>
    /// Milliseconds between two checks of a pool's worker grains, and of the fleet grain's pools, 100-60000. Default 500.
    /// </summary>
    [Range(100, 60_000)]
    public int WatchIntervalMs { get; set; } = 500;

    /// <summary>
    /// Seconds that a silo nearer to an engine must be present before the worker's grain moves to it, and minimum time between
    /// two moves of a grain, 1-3600. Default 10: a silo that restarts repeatedly does not move grains back and forth.
    /// </summary>
    [Range(1, 3600)]
    public int MoveAfterSecs { get; set; } = 10;

    /// <summary>
    /// Seconds between two announcements of a gateway to the fleet grain, with its configured workers, 1-3600. Default 5.
    /// </summary>
    [Range(1, 3600)]
    public int HelloIntervalSecs { get; set; } = 5;

    /// <summary>
    /// Shards of the registered rooms, 1-4096; equal on all silos, and not to be changed while rooms are in use. Default 16.
    /// </summary>
    [Range(1, 4096)]
    public int RoomShards { get; set; } = 16;
}
