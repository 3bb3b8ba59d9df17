using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace OrleansPd.Benchmarks.Gateway;

/// <summary>
/// The engine side of the load: answers probes as an SGLang engine of its role would, and generations with fixed bytes at once or
/// at a pace. It does no work, and checks what it is sent: each body whole and unchanged, both legs of a pair in one room.
/// </summary>
internal sealed class StubEngine : ISocketHandler
{
    private readonly EventLoop _loop;
    private readonly int _listener;

    public StubEngine(EventLoop loop, StubPlan plan, bool isPrefill, string address = "127.0.0.1")
    {
        (_loop, Plan, IsPrefill) = (loop, plan, isPrefill);
        _listener = Native.Listen(address, 0, out var port);
        Port = port;
        loop.Post(() => loop.Add(_listener, this));
        Probes = StubProbes.Of(isPrefill, port);
    }

    public int Port { get; }

    public bool IsPrefill { get; }

    public StubPlan Plan { get; }

    public Dictionary<string, byte[]> Probes { get; }

    public void Ready(int events)
    {
        while (Native.Accept(_listener) is >= 0 and var fd)
            _loop.Add(fd, new StubConnection(_loop, this, fd));
    }
}

/// <summary>What the stubs answer now, and what they have seen. Changed and read in the loop only.</summary>
internal sealed class StubPlan
{
    public Payload? Payload { get; set; }

    /// <summary>Events of a stream.</summary>
    public int Events { get; set; } = 128;

    /// <summary>
    /// Nanoseconds between events; 0 = all at once; negative = one event, and the rest when <see cref="Idle"/> is released.
    /// </summary>
    public long Pace { get; set; }

    /// <summary>Streams that wait to be ended.</summary>
    public List<StubConnection> Idle { get; } = [];

    /// <summary>What was wrong with what came in.</summary>
    public List<string> Errors { get; } = [];

    public long Prefills { get; private set; }

    public long Decodes { get; private set; }

    // Rooms of prefill legs and of decode legs, as sums: equal when each room has come on both sides.
    private long _rooms;

    public void Reset()
    {
        (Prefills, Decodes, _rooms) = (0, 0, 0);
        Errors.Clear();
    }

    public void Saw(bool isPrefill, ReadOnlySpan<byte> tail)
    {
        if (isPrefill)
            Prefills++;
        else
            Decodes++;
        var at = tail.LastIndexOf("\"bootstrap_room\":"u8);
        if (at >= 0 && Utf8Parser.TryParse(tail[(at + 17)..], out long room, out _))
            _rooms += isPrefill ? room : -room;
        else if (isPrefill)
            Wrong("a prefill leg without a room");
    }

    public void Wrong(string what)
    {
        if (Errors.Count < 10)
            Errors.Add(what);
    }

    /// <summary>Null when all was as it should be.</summary>
    public string? Problem(bool isPair, long requests) =>
        Errors.Count > 0 ? string.Join("; ", Errors)
        : Decodes != requests ? $"{Decodes} decode legs for {requests} requests"
        : Prefills != (isPair ? requests : 0) ? $"{Prefills} prefill legs for {requests} requests"
        : isPair && _rooms != 0 ? "the legs' rooms differ" : null;
}

/// <summary>What a stub says of itself.</summary>
internal static class StubProbes
{
    public static Dictionary<string, byte[]> Of(bool isPrefill, int port)
    {
        var mode = isPrefill ? "prefill" : "decode";
        var info = $$"""
            {"model_path":"bench","served_model_name":"bench","version":"0.5.5","disaggregation_mode":"{{mode}}","disaggregation_bootstrap_port":{{port}},"disaggregation_transfer_backend":"mooncake","dp_size":1,"page_size":64,"kv_cache_dtype":"auto","random_seed":{{port}},"max_running_requests":32768,"max_total_num_tokens":1000000000,"internal_states":[{"effective_max_running_requests_per_dp":32768,"disaggregation_mode":"{{mode}}"}]}
            """;
        return new(StringComparer.Ordinal)
        {
            ["/server_info"] = Json(info),
            ["/get_server_info"] = Json(info),
            ["/model_info"] = Json("""{"model_path":"bench","tokenizer_path":"bench","is_generation":true}"""),
            ["/get_model_info"] = Json("""{"model_path":"bench","tokenizer_path":"bench","is_generation":true}"""),
            ["/v1/models"] = Json("""{"object":"list","data":[{"id":"bench","object":"model","max_model_len":1000000}]}"""),
            ["/health"] = Json("{}"),
            ["/health_generate"] = Json("{}"),
            ["/v1/loads"] = Json("""{"loads":[{"dp_rank":0,"num_running_reqs":0,"num_waiting_reqs":0,"num_used_tokens":0}]}"""),
            ["/get_load"] = Json("""[{"dp_rank":0,"num_reqs":0,"num_waiting_reqs":0,"num_tokens":0}]"""),
            ["/route"] = Json($$"""{"dp_size":1,"attn_tp_size":1,"attn_cp_size":1,"pp_size":1,"page_size":64,"kv_cache_dtype":"auto","rank_port":{{port}},"rank_ip":"127.0.0.1","follow_bootstrap_room":true}"""),
            ["/abort_request"] = Json(""),
            // Not an engine's: where a gateway under test sends its spans.
            ["/v1/traces"] = Json("{}"),
        };
    }

    public static byte[] NotFound { get; } = Payload.WithHead("404 Not Found", "{}"u8);

    /// <summary>
    /// The answer to a generation that is no part of the load: the gateway's own, before it takes a pair into use.
    /// </summary>
    public static byte[] Ready { get; } = Json(
        """{"text":"ok","meta_info":{"id":"r","finish_reason":{"type":"length","length":2},"prompt_tokens":4,"completion_tokens":2}}""");

    private static byte[] Json(string text) =>
        Payload.WithHead(string.Create(CultureInfo.InvariantCulture, $"200 OK"), Encoding.UTF8.GetBytes(text.Trim()));
}
