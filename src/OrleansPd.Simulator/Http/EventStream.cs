using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections.Features;

namespace OrleansPd.Simulator.Http;

/// <summary>A server-sent event stream of JSON frames, and the faults that may befall it.</summary>
internal sealed class EventStream
{
    private readonly HttpContext _context;
    private readonly PipeWriter _writer;
    private readonly Utf8JsonWriter _json;
    private readonly Fault? _fault;
    private int _events;
    private bool _cut;

    public EventStream(HttpContext context, FaultControl faults, string rid)
    {
        _context = context;
        _writer = context.Response.BodyWriter;
        _json = new Utf8JsonWriter(_writer, Replies.Relaxed);
        _fault = faults.TryTake(FaultKind.ResetMidStream, null, rid) ?? faults.TryTake(FaultKind.TruncateStream, null, rid)
            ?? faults.TryTake(FaultKind.Stall, null, rid) ?? faults.TryTake(FaultKind.GarbageSse, null, rid);
    }

    public bool Started { get; private set; }

    public async Task StartAsync()
    {
        if (Started)
            return;
        Started = true;
        _context.Response.StatusCode = 200;
        _context.Response.ContentType = "text/event-stream; charset=utf-8";
        _context.Response.Headers.CacheControl = "no-cache";
        await _context.Response.StartAsync(_context.RequestAborted);
        await _writer.FlushAsync(_context.RequestAborted);
    }

    /// <summary>Adds one frame; it is sent with the next flush. False once a fault has ended the stream.</summary>
    public async ValueTask<bool> WriteAsync(Action<Utf8JsonWriter> write)
    {
        if (!await PassAsync())
            return false;
        _writer.Write("data: "u8);
        _json.Reset(_writer);
        write(_json);
        _json.Flush();
        _writer.Write("\n\n"u8);
        return true;
    }

    public async ValueTask FlushAsync()
    {
        if (!_cut)
        {
            await StartAsync();
            await _writer.FlushAsync(_context.RequestAborted);
        }
    }

    public async Task DoneAsync()
    {
        if (await PassAsync())
        {
            _writer.Write("data: [DONE]\n\n"u8);
            await FlushAsync();
        }
    }

    public static void Reset(HttpContext context)
    {
        if (context.Features.Get<IConnectionSocketFeature>()?.Socket is { } socket)
        {
            try
            {
                socket.LingerState = new System.Net.Sockets.LingerOption(true, 0);
            }
            catch (Exception e) when (e is System.Net.Sockets.SocketException or ObjectDisposedException)
            {
                // Closed already.
            }
        }
        context.Abort();
    }

    private async ValueTask<bool> PassAsync()
    {
        await StartAsync();
        if (_cut || _fault is null || _events++ < _fault.AfterEvents)
            return !_cut;
        switch (_fault.Kind)
        {
            case FaultKind.GarbageSse when _events == _fault.AfterEvents + 1:
                _writer.Write("data: {\"text\": 'broken\n\n"u8);
                return true;
            case FaultKind.GarbageSse:
                return true;
            case FaultKind.Stall:
                await FlushAsync();
                await Task.Delay(_fault.Delay ?? Timeout.InfiniteTimeSpan, TimeProvider.System, _context.RequestAborted);
                _events = int.MinValue;
                return true;
            case FaultKind.ResetMidStream:
                await FlushAsync();
                Reset(_context);
                break;
            default:
                await FlushAsync();
                break;
        }
        _cut = true;
        return false;
    }
}
