using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace OrleansPd.Benchmarks.Gateway;

/// <summary>Something between the client and the engines, as a child process on a core of its own; or nothing.</summary>
internal sealed class Contender : IDisposable
{
    private readonly Process? _process;
    private readonly string? _folder;
    private readonly StringBuilder _said = new();

    private Contender(string name, int port, bool isPair)
    {
        (Name, Port, IsPair) = (name, port, isPair);
    }

    private Contender(string name, bool isPair, string[] command, int? core, string? folder, int? port)
    {
        (Name, IsPair, _folder) = (name, isPair, folder);
        string[] all = core is { } c ? ["taskset", "-c", c.ToString(CultureInfo.InvariantCulture), .. command] : command;
        var start = new ProcessStartInfo(all[0], all[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        StartedAt = EventLoop.Now;
        _process = Process.Start(start) ?? throw new IOException($"{name} did not start");
        // Whoever ends the benchmark in the middle ends these with it.
        AppDomain.CurrentDomain.ProcessExit += Kill;
        Id = _process.Id;
        _process.ErrorDataReceived += (_, line) => Said(line.Data);
        _process.BeginErrorReadLine();
        var first = new TaskCompletionSource<string?>();
        _process.OutputDataReceived += (_, line) =>
        {
            first.TrySetResult(line.Data);
            Said(line.Data);
        };
        _process.BeginOutputReadLine();
        Port = port ?? PortIn(first.Task.Wait(60_000) ? first.Task.Result : null);
    }

    public string Name { get; }

    public int Port { get; }

    /// <summary>0 = no process.</summary>
    public int Id { get; }

    /// <summary>It sends each request to two engines.</summary>
    public bool IsPair { get; }

    public bool IsOurs { get; private init; }

    /// <summary>The key that it asks of clients; null = none.</summary>
    public string? Key { get; private init; }

    /// <summary>When the process was started.</summary>
    public long StartedAt { get; }

    public static Contender Direct(int decode) => new("direct", decode, isPair: false);

    public static Contender Ours(
        string name, string[] flags, IEnumerable<(
            string Url, int Port)> prefill, IEnumerable<string> decode, int? core, string? key = null)
    {
        var dll = Path.Combine(AppContext.BaseDirectory, "orleanspd.dll");
        string[] command = ["dotnet", dll, "gateway", "--host", "127.0.0.1", "--port", "0", .. Engines(
            prefill, decode), .. flags];
        return new(name, isPair: true, command, core, null, null) { IsOurs = true, Key = key };
    }

    /// <summary>A silo with our gateway in it, a cluster of one.</summary>
    /// <param name="redis">Port of a Redis that is its own.</param>
    /// <param name="prefill">The prefill engine.</param>
    /// <param name="decode">The decode engine.</param>
    /// <param name="core">Where it runs; null = anywhere.</param>
    public static Contender Silo(int redis, (string Url, int Port) prefill, string decode, int? core)
    {
        string[] command =
        [
            "dotnet", Path.Combine(AppContext.BaseDirectory, "orleanspd.dll"), "gateway", "--redis", $"127.0.0.1:{redis}",
            "--cluster-id", "bench", "--service-id", "bench", "--host", "127.0.0.1",
            "--port", "0", "--silo-port", "0", "--gateway-port", "0", .. Engines([prefill], [decode]),
        ];
        return new("in a silo", isPair: true, command, core, null, null) { IsOurs = true };
    }

    /// <summary>A Redis that keeps nothing, for <see cref="Silo"/>.</summary>
    public static Contender Redis()
    {
        var port = FreePort();
        return new("redis", isPair: false,
            ["redis-server", "--port", $"{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], null, null, port);
    }

    private static IEnumerable<string> Engines(IEnumerable<(string Url, int Port)> prefill, IEnumerable<string> decode) =>
    [
        .. prefill.SelectMany(p => new[] { "--prefill", p.Url, p.Port.ToString(CultureInfo.InvariantCulture) }),
        .. decode.SelectMany(url => new[] { "--decode", url }),
    ];

    /// <param name="name">nginx or haproxy.</param>
    /// <param name="decode">The one engine behind it.</param>
    /// <param name="core">Where it runs; null = anywhere.</param>
    public static Contender Proxy(string name, int decode, int? core)
    {
        var folder = Directory.CreateTempSubdirectory("orleanspd-bench-").FullName;
        var port = FreePort();
        var file = Path.Combine(folder, name + ".conf");
        File.WriteAllText(file, name == "nginx" ? Nginx(port, decode) : Haproxy(port, decode));
        string[] command = name == "nginx" ? ["nginx", "-p", folder, "-e", "stderr", "-c", file] : ["haproxy", "-db", "-f", file];
        return new(name, isPair: false, command, core, folder, port);
    }

    /// <param name="name">For the table.</param>
    /// <param name="command">With {port}, {prefill}, {bootstrap} and {decode} in it, e.g. a router's command line.</param>
    /// <param name="prefill">Port of the prefill engine, also of its bootstrap server.</param>
    /// <param name="decode">Port of the decode engine.</param>
    /// <param name="core">Where it runs; null = anywhere.</param>
    public static Contender Peer(string name, string command, int prefill, int decode, int? core)
    {
        var port = FreePort();
        var filled = command.Replace("{port}", $"{port}", StringComparison.Ordinal)
            .Replace("{bootstrap}", $"{prefill}", StringComparison.Ordinal)
            .Replace("{prefill}", $"http://127.0.0.1:{prefill}", StringComparison.Ordinal)
            .Replace("{decode}", $"http://127.0.0.1:{decode}", StringComparison.Ordinal);
        return new(name, isPair: true, ["/bin/sh", "-c", "exec " + filled], core, null, port);
    }

    /// <summary>Waits until an answer of the engine comes through.</summary>
    public void AwaitReady(Payload payload)
    {
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < TimeSpan.FromSeconds(60))
        {
            if (_process is { HasExited: true })
                throw Dead("it ended");
            try
            {
                using var content = new ByteArrayContent(payload.Body);
                content.Headers.ContentType = new("application/json");
                client.DefaultRequestHeaders.Authorization = Key is null ? null : new("Bearer", Key);
                using var answer = client.PostAsync($"http://127.0.0.1:{Port}{payload.Path}", content).GetAwaiter().GetResult();
                if (answer.IsSuccessStatusCode)
                    return;
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
            {
                // Not there yet.
            }
            Thread.Sleep(10);
        }
        throw Dead("it gave no answer for 60 s");
    }

    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= Kill;
        Kill(null, EventArgs.Empty);
        _process?.Dispose();
        if (_folder is not null)
            Directory.Delete(_folder, recursive: true);
    }

    private void Kill(object? sender, EventArgs e)
    {
        if (_process is { HasExited: false })
        {
            try
            {
                _process.Kill(entireProcessTree: true);
            }
            catch (IOException)
            {
                // To find the children files must be opened, which may be what has failed.
                _process.Kill();
            }
            _process.WaitForExit(10_000);
        }
    }

    /// <summary>Ours says where it listens.</summary>
    private int PortIn(string? line)
    {
        var at = line?.IndexOf("http://", StringComparison.Ordinal) ?? -1;
        return at >= 0 ? new Uri(line![at..].Split(' ')[0]).Port : throw Dead("it said nothing of its address");
    }

    private IOException Dead(string how)
    {
        Thread.Sleep(200);
        lock (_said)
            return new IOException($"{Name}: {how}\n{_said}");
    }

    private void Said(string? line)
    {
        lock (_said)
        {
            if (line is not null && _said.Length < 8192)
                _said.AppendLine(line);
        }
    }

    private static int FreePort()
    {
        var fd = Native.Listen("127.0.0.1", 0, out var port);
        _ = Native.Close(fd);
        return port;
    }

    private static string Nginx(int port, int decode) => $$"""
        daemon off;
        master_process off;
        worker_processes 1;
        worker_rlimit_nofile {{Limits.OpenFiles}};
        error_log stderr error;
        pid nginx.pid;
        events { worker_connections {{Limits.OpenFiles}}; }
        http {
          access_log off;
          keepalive_requests 1000000000;
          keepalive_timeout 3600s;
          client_max_body_size 0;
          tcp_nodelay on;
          upstream engine {
            server 127.0.0.1:{{decode}};
            keepalive 256;
            keepalive_requests 1000000000;
            keepalive_time 24h;
          }
          server {
            listen 127.0.0.1:{{port}} backlog=4096;
            location / {
              proxy_pass http://engine;
              proxy_http_version 1.1;
              proxy_set_header Connection "";
              proxy_buffering off;
              proxy_request_buffering off;
              proxy_read_timeout 3600s;
            }
          }
        }
        """;

    private static string Haproxy(int port, int decode) => $"""
        global
          nbthread 1
          maxconn {Limits.OpenFiles / 2 - 200}
        defaults
          mode http
          option http-no-delay
          option http-keep-alive
          timeout connect 5s
          timeout client 3600s
          timeout server 3600s
          timeout http-keep-alive 3600s
        frontend in
          bind 127.0.0.1:{port} backlog 4096
          default_backend engine
        backend engine
          http-reuse always
          server e 127.0.0.1:{decode} pool-max-conn 256

        """;
}
