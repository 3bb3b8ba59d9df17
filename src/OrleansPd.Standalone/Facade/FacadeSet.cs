using System.Net.Sockets;
using OrleansPd.Engines.Monitoring;
using OrleansPd.Gateway.Wire;

namespace OrleansPd.Standalone.Facade;

/// <summary>
/// Runs one facade for each epoch of each prefill, at a new address per epoch. After the end of an epoch its address answers 503
/// for 60 s, so that decode engines drop it, and is then closed.
/// </summary>
internal sealed class FacadeSet
{
    /// <summary>
    /// Decode engines drop an address after two failed probes, 5 s apart; an engine that knows many addresses takes longer.
    /// </summary>
    private static readonly TimeSpan FencedFor = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(2);

    private readonly IFacadeFleet _fleet;
    private readonly TimeProvider _clock;
    private readonly ILogger _log;
    private readonly AsyncSignal _signal;
    private readonly FacadePorts _ports;
    private readonly string _host;
    private readonly IPAddress? _listenOn;
    private readonly Dictionary<WorkerId, Open> _open = [];
    private readonly List<(Open Facade, DateTimeOffset CloseAt)> _fenced = [];
    private readonly HttpClient _http = BootstrapRelay.CreateClient();

    /// <exception cref="ArgumentException">The facade's address or its ports are missing or wrong.</exception>
    public FacadeSet(IFacadeFleet fleet, ControlPlaneOptions options, TimeProvider clock, ILogger log)
    {
        if (string.IsNullOrWhiteSpace(options.FacadeHost)
            || !Uri.TryCreate($"http://{Bracketed(options.FacadeHost)}", UriKind.Absolute, out var url))
        {
            throw new ArgumentException(
                "FacadeHost must be the address under which decode engines reach this gateway", nameof(options));
        }
        (_fleet, _clock, _log) = (fleet, clock, log);
        _signal = new AsyncSignal(clock);
        _host = WorkerAddress.Host(url);
        // FacadeHost may be a translated address that this machine does not have: all addresses are bound, except for loopback.
        _listenOn = IPAddress.TryParse(_host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address) ? address : null;
        _ports = new FacadePorts(options.FacadePortRange is { } range ? PortRange.Parse(range) : null);
    }

    public void Signal() => _signal.Signal();

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await Task.Yield();
        try
        {
            while (true)
            {
                await FenceAsync();
                var all = true;
                foreach (var prefill in _fleet.Fleet.Prefill)
                {
                    if (prefill.Phase is not (WorkerPhase.Registered or WorkerPhase.Gone) && !_open.ContainsKey(prefill.Id))
                        all &= await OpenAsync(prefill, cancellationToken);
                }
                await _signal.WaitAsync(all && _fenced.Count == 0 ? TimeSpan.FromMinutes(1) : RetryAfter, cancellationToken);
            }
        }
        finally
        {
            foreach (var facade in _open.Values.Concat(_fenced.Select(f => f.Facade)))
                await facade.Listener.DisposeAsync();
            _http.Dispose();
        }
    }

    /// <summary>Fences facades whose epoch has ended, and closes those that were fenced for 60 s.</summary>
    private async Task FenceAsync()
    {
        var now = _clock.GetUtcNow();
        var fleet = _fleet.Fleet;
        foreach (var (id, facade) in _open.ToArray())
        {
            if (!fleet.Prefill.Any(w => w.Id == id && w.Epoch == facade.Facade.Epoch && w.Phase != WorkerPhase.Gone))
            {
                _open.Remove(id);
                _fenced.Add((facade, now + FencedFor));
                _log.FacadeFenced(id, facade.Facade.Epoch, _host, facade.Listener.Port);
            }
        }
        foreach (var due in _fenced.Where(f => now >= f.CloseAt).ToArray())
        {
            _fenced.Remove(due);
            await due.Facade.Listener.DisposeAsync();
        }
    }

    private async Task<bool> OpenAsync(WorkerSnapshot prefill, CancellationToken cancellationToken)
    {
        // If the port is not reported, it is the default of SGLang's flag.
        var server = new Uri($"http://{prefill.BootstrapHost}:{prefill.BootstrapPort ?? 8998}");
        var facade = new BootstrapFacade(_fleet, prefill, new BootstrapRelay(_http, server, _clock));
        var taken = _open.Values.Concat(_fenced.Select(f => f.Facade)).Select(f => f.Listener.Port).ToHashSet();
        foreach (var port in _ports.For(prefill, taken))
        {
            try
            {
                var listener = await FacadeListener.StartAsync(
                    _listenOn, port, RoomWire.MaxBody, facade.AnswerAsync, cancellationToken);
                _open[prefill.Id] = new Open(facade, listener);
                _log.FacadeOpened(prefill.Id, prefill.Epoch, _host, listener.Port);
                _fleet.Opened(prefill.Id, new WorkerInput.FacadeOpened(prefill.Epoch, _host, listener.Port));
                return true;
            }
            catch (Exception e) when (e is IOException or SocketException)
            {
                // The port is in use: try the next one.
            }
        }
        _log.NoFacadePort(prefill.Id);
        return false;
    }

    private static string Bracketed(string host) =>
        host.Contains(':', StringComparison.Ordinal) && !host.StartsWith('[') ? $"[{host}]" : host;

    private sealed record Open(BootstrapFacade Facade, FacadeListener Listener);
}
