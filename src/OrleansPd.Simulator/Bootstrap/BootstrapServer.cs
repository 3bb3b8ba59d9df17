using OrleansPd.Simulator.Http;

namespace OrleansPd.Simulator.Bootstrap;

public sealed record BootstrapServerOptions
{
    /// <summary>
    /// Age at which the sweep drops a room's owner; also the sweep's interval, so an entry expires after one to two of them.
    /// Default 120 s (SGLang's own).
    /// </summary>
    public TimeSpan RoomEntryTtl { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>
    /// SGLang release to simulate; before 0.5.16 the server information lacks its two optional members. Default 0.5.18.
    /// </summary>
    public string Version { get; init; } = "0.5.18";

    /// <summary>
    /// Answers as the Rust port does: no scratch members, 4xx for malformed input, JSON errors from 0.5.18. Default false.
    /// </summary>
    public bool Rust { get; init; }
}

/// <summary>
/// The KV bootstrap server: prefill ranks register here, decode ranks ask where to find them and which rank owns a room.
/// Starts empty, keeps everything in memory, forgets nothing but old rooms.
/// </summary>
public sealed class BootstrapServer : IAsyncDisposable
{
    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(75);

    private readonly CancellationTokenSource _life = new();
    private readonly BootstrapTable _table;
    private readonly RoomOwners _owners;
    private readonly BootstrapServerOptions _options;
    private HttpHost? _host;
    private Task _sweep = Task.CompletedTask;

    private BootstrapServer(BootstrapServerOptions options, TimeProvider clock)
    {
        _options = options;
        _table = new BootstrapTable(
            ReleaseProfile.Of(options.Version).OptionalSentinelMembers, withScratchMembers: !options.Rust);
        _owners = new RoomOwners(options.RoomEntryTtl, clock);
    }

    public int Port => _host?.Port ?? 0;

    /// <summary>Registrations received so far, repetitions included.</summary>
    public int RegisteredCount => _table.Registered;

    /// <summary>Rooms whose owner is known at present.</summary>
    public int RoomCount => _owners.Count;

    internal FaultControl? Faults { get; init; }

    public static Task<BootstrapServer> StartAsync(
        string host, int port, BootstrapServerOptions? options =
            null, TimeProvider? clock = null, CancellationToken ct = default) =>
        StartAsync(host, port, options, clock, null, ct);

    public async ValueTask DisposeAsync() => await EndAsync(kill: false);

    internal static async Task<BootstrapServer> StartAsync(
        string host, int port, BootstrapServerOptions? options, TimeProvider? clock, FaultControl? faults, CancellationToken ct)
    {
        var server = new BootstrapServer(options ?? new BootstrapServerOptions(), clock ?? TimeProvider.System)
        { Faults = faults };
        server._sweep = server._owners.SweepAsync(server._life.Token);
        server._host = await HttpHost.StartAsync(host, port, KeepAlive, server.AnswerAsync, ct);
        return server;
    }

    /// <summary>One without a listener: its routes are another listener's.</summary>
    internal static BootstrapServer Embed(BootstrapServerOptions options, TimeProvider clock, FaultControl faults)
    {
        var server = new BootstrapServer(options, clock) { Faults = faults };
        server._sweep = server._owners.SweepAsync(server._life.Token);
        return server;
    }

    internal Task KillAsync() => EndAsync(kill: true);

    private async Task EndAsync(bool kill)
    {
        await _life.CancelAsync();
        if (_host is { } host)
            await (kill ? host.KillAsync() : host.DisposeAsync().AsTask());
        await _sweep.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    internal async Task AnswerAsync(HttpContext context)
    {
        if (Faults is { } faults && faults.TryTake(FaultKind.BootstrapDown, null, null) is { } fault)
        {
            await AnswerFaultAsync(context, fault);
            return;
        }
        try
        {
            await RouteAsync(context);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or FormatException or OverflowException
            or InvalidOperationException or ArgumentException)
        {
            await (_options.Rust
                ? context.TextAsync(400, e.Message)
                : context.TextAsync(500, "500 Internal Server Error\n\nServer got itself in trouble"));
        }
    }

    private static async Task AnswerFaultAsync(HttpContext context, Fault fault)
    {
        if (fault.Delay is { } delay)
        {
            await Task.Delay(delay, TimeProvider.System, context.RequestAborted)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        if (fault.Status is { } status)
            await context.TextAsync(status, fault.Body ?? "");
        else
            context.Abort();
    }

    private Task RouteAsync(HttpContext context) => (context.Request.Path.Value, context.Request.Method) switch
    {
        ("/health", "GET" or "HEAD") => context.TextAsync(200, "OK"),
        ("/route", "GET") => GetRouteAsync(context),
        ("/route", "PUT") => PutRouteAsync(context),
        ("/register_dp_rank", "POST") => RegisterOwnerAsync(context),
        ("/query_dp_ranks", "POST") => QueryOwnersAsync(context),
        ("/health" or "/route" or "/register_dp_rank" or "/query_dp_ranks", _) =>
            context.TextAsync(405, "405: Method Not Allowed"),
        _ => context.TextAsync(404, "404: Not Found"),
    };

    private async Task PutRouteAsync(HttpContext context)
    {
        using var body = await JsonDocument.ParseAsync(context.Request.Body, default, context.RequestAborted);
        _table.Register(body.RootElement);
        await context.TextAsync(200, "OK");
    }

    private Task GetRouteAsync(HttpContext context)
    {
        var query = context.Request.Query;
        string?[] texts = [query["prefill_dp_rank"], query["prefill_cp_rank"], query["target_tp_rank"], query["target_pp_rank"]];
        if (texts.Any(string.IsNullOrEmpty))
            return RefuseAsync(context, 400, "Missing inputs for bootstrap server.");
        var (dp, cp, tp, pp) = (Parse(texts[0]), Parse(texts[1]), Parse(texts[2]), Parse(texts[3]));
        if (!_table.Ready)
        {
            return RefuseAsync(context, 503,
                $"Prefill server not fully registered yet ({_table.Registered} workers registered).");
        }
        if ((dp, cp, tp, pp) == (-1, -1, -1, -1))
            return context.JsonAsync(200, _table.WriteSentinel);
        return _table.Find(dp, cp, tp, pp) is { } rank
            ? context.JsonAsync(200, json =>
            {
                json.WriteStartObject();
                json.WriteString("rank_ip", rank.Ip);
                json.WriteNumber("rank_port", rank.Port);
                json.WriteEndObject();
            })
            : context.TextAsync(
                404, $"Bootstrap info not found for dp_rank={dp} cp_rank={cp} tp_rank={tp} pp_rank={pp}");

        static int Parse(string? text) => int.Parse(text!, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
    }

    private Task RefuseAsync(HttpContext context, int status, string message) =>
        _options.Rust && ReleaseProfile.Of(_options.Version).RustJsonErrors
            ? context.JsonAsync(status, json => ApiError.WriteNative(json, message))
            : context.TextAsync(status, message);

    private async Task RegisterOwnerAsync(HttpContext context)
    {
        using var body = await JsonDocument.ParseAsync(context.Request.Body, default, context.RequestAborted);
        var room = BootstrapTable.Long(body.RootElement.GetProperty("bootstrap_room"));
        _owners.Register(room, BootstrapTable.Int(body.RootElement.GetProperty("dp_rank")));
        await context.TextAsync(200, "OK");
    }

    private async Task QueryOwnersAsync(HttpContext context)
    {
        using var body = await JsonDocument.ParseAsync(context.Request.Body, default, context.RequestAborted);
        var rooms = body.RootElement.GetProperty("bootstrap_rooms").EnumerateArray().Select(BootstrapTable.Long).ToList();
        await context.JsonAsync(200, json =>
        {
            json.WriteStartObject();
            foreach (var room in rooms.Distinct())
            {
                if (_owners.Find(room) is { } rank)
                    json.WriteNumber(room.ToString(CultureInfo.InvariantCulture), rank);
            }
            json.WriteEndObject();
        });
    }
}
