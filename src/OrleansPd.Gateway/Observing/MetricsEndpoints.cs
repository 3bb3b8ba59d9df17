using OrleansPd.Gateway.Management;
using OrleansPd.Gateway.Telemetry;

namespace OrleansPd.Gateway.Observing;

/// <summary>
/// <c>GET /metrics</c>: the declared metrics of the gateway (<see cref="MetricSet"/>) and the state of its fleet.
/// <c>GET /engine_metrics</c>: the metrics of all engines in one text, each sample labelled with its engine.
/// </summary>
internal sealed class MetricsEndpoints(
    GatewayMetrics metrics, IControlPlane controlPlane, EngineBroadcast engines, RoutedPairs pairs,
    IFleetAdmin? admin = null)
    : IEndpoints
{
    private const string ContentType = "text/plain; version=0.0.4; charset=utf-8";
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/metrics", WriteAsync);
        routes.MapGet("/engine_metrics", MergeAsync);
    }

    private async Task WriteAsync(HttpContext context)
    {
        var output = new StringBuilder(16 * 1024);
        var text = new PromText(output);
        metrics.Write(text);
        text.Gauge("orleanspd_gateway_routed_pairs", "Pairs held by callers of /route_pd.", pairs.Count);
        WriteFleet(text, controlPlane.Fleet);
        if (admin is not null)
        {
            var (workers, pools) = (admin.ListAsync(context.RequestAborted), admin.PoolsAsync(context.RequestAborted));
            WriteCapacity(text, await workers);
            WritePools(text, await pools);
        }
        WriteRooms(text, controlPlane.Rooms);
        ProcessMetrics.Write(text);
        context.Response.ContentType = ContentType;
        await context.Response.WriteAsync(output.ToString(), context.RequestAborted);
    }

    private async Task MergeAsync(HttpContext context)
    {
        var answers = await engines.CallAsync(
            controlPlane.Fleet.Workers, "GET", "/metrics", default, Timeout, context.RequestAborted);
        context.Response.ContentType = ContentType;
        await context.Response.WriteAsync(EngineMetricsMerge.Of(answers), context.RequestAborted);
    }

    private static void WriteRooms(PromText text, RoomStats rooms)
    {
        text.Family("orleanspd_gateway_rooms", "gauge", "Rooms in the table: of live leases, and registered without one.");
        text.Sample(rooms.Pinned, "state=\"leased\"").Sample(rooms.Held - rooms.Pinned, "state=\"registered\"");
        text.Counter("orleanspd_gateway_room_registrations_total", "Registrations of a room's rank that were accepted.",
            rooms.Registered);
        text.Counter("orleanspd_gateway_room_conflicts_total", "Registrations that named another rank than the registered one.",
            rooms.Conflicts);
        text.Counter("orleanspd_gateway_room_expirations_total", "Rooms that were dropped because of their age.", rooms.Expired);
        text.Counter("orleanspd_gateway_room_refusals_total", "Rooms that found the table full.", rooms.Refused);
    }

    private static void WriteFleet(PromText text, FleetSnapshot fleet)
    {
        text.Family("orleanspd_gateway_workers", "gauge", "Workers by role and phase; broken = its breaker is open.");
        foreach (var role in Enum.GetValues<WorkerRole>())
        {
            foreach (var phase in Enum.GetValues<WorkerPhase>().Where(p => p != WorkerPhase.Gone))
            {
                text.Sample(
                    fleet.Workers.Count(
                        w => w.Role == role && w.Phase == phase), $"role=\"{WireName.Of(role)}\",phase=\"{WireName.Of(phase)}\"");
            }
        }
        text.Gauge("orleanspd_gateway_ready", "1 when a request could be served now.", fleet.IsReady ? 1 : 0);
    }

    private static void WriteCapacity(PromText text, IReadOnlyList<WorkerView> workers)
    {
        var roles = Enum.GetValues<WorkerRole>().Select(role =>
            (Label: $"role=\"{WireName.Of(role)}\"", Ranks: workers.Where(w => w.Worker.Role == role).SelectMany(w => w.Ranks)
                .ToArray())).ToArray();
        text.Family("orleanspd_gateway_capacity", "gauge", "Requests that the ranks of a role may hold at once.");
        foreach (var (label, ranks) in roles)
            text.Sample(ranks.Sum(r => (double)r.Capacity), label);
        text.Family("orleanspd_gateway_credits", "gauge", "Of these, how many are free.");
        foreach (var (label, ranks) in roles)
            text.Sample(ranks.Sum(r => (double)Math.Max(0, r.Capacity - r.InFlight - r.Foreign)), label);
        text.Family("orleanspd_gateway_in_flight", "gauge", "Items of ours on the ranks of a role.");
        foreach (var (label, ranks) in roles)
            text.Sample(ranks.Sum(r => (double)r.InFlight), label);
        text.Family("orleanspd_gateway_foreign_requests", "gauge", "Requests of others on them, by their engines' figures.");
        foreach (var (label, ranks) in roles)
            text.Sample(ranks.Sum(r => (double)r.Foreign), label);
    }

    private static void WritePools(PromText text, IReadOnlyList<PoolView> pools)
    {
        Write("orleanspd_gateway_pool_wanted", "Workers that a pool should have; none if not set.", pool => pool.TargetSize);
        Write("orleanspd_gateway_pool_present", "Workers of a pool that are registered and not leaving.", pool => pool.Present);
        Write("orleanspd_gateway_pool_ready", "Of these, those that can be given requests.", pool => pool.Ready);

        void Write(string name, string help, Func<PoolView, int?> read)
        {
            text.Family(name, "gauge", help);
            foreach (var pool in pools)
            {
                if (read(pool) is { } value)
                {
                    var model = PromText.Escape(pool.Name.Model ?? PoolName.AnyModel);
                    text.Sample(value, $"role=\"{WireName.Of(pool.Name.Role)}\",model=\"{model}\"");
                }
            }
        }
    }
}
