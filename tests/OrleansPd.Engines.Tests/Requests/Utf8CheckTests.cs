using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using System.Text;
using System.Text.Unicode;
using OrleansPd.Engines.Requests;

namespace OrleansPd.Engines.Tests.Requests;

/// <summary>The UTF-8 check agrees with that of .NET.</summary>
public sealed class Utf8CheckTests
{
    private static readonly byte[] Telling =
    [
        0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0,
        0xF1, 0xF3, 0xF4, 0xF5,
        0xF7, 0xF8, 0xFF,
    ];

    [Fact]
    public void Every_significant_sequence_of_four_bytes_is_judged_like_dotnet_does_at_any_position()
    {
        // Also at the end of four blocks, of both widths, before ASCII blocks.
        var text = new byte[600];
        foreach (var at in (int[])[0, 30, 62, 124, 126, 252, 254, 318, 382, 508, 596])
        {
            text.AsSpan().Fill((byte)'a');
            for (var code = 0; code < Telling.Length * Telling.Length * Telling.Length * Telling.Length; code++)
            {
                for (int i = 0, left = code; i < 4; i++, left /= Telling.Length)
                    text[at + i] = Telling[left % Telling.Length];
                if (!AllAgree(text))
                    Assert.Fail($"{Convert.ToHexString(text.AsSpan(at, 4))} at {at}");
            }
        }
    }

    [Fact]
    public void Text_of_all_scripts_valid_and_corrupt_is_judged_like_dotnet_does()
    {
        for (var seed = 1; seed <= 20_000; seed++)
        {
            var random = new Random(seed);
            var text = new StringBuilder();
            while (text.Length < random.Next(900))
            {
                text.Append(random.Next(5) switch
                {
                    0 => new Rune(random.Next(0x80, 0x800)).ToString(),
                    1 => new Rune(random.Next(0x800, 0xD800)).ToString(),
                    2 => new Rune(random.Next(0x10000, 0x110000)).ToString(),
                    3 => new string('x', random.Next(300)),
                    _ => "word ",
                });
            }
            var bytes = Encoding.UTF8.GetBytes(text.ToString());
            Assert.True(Utf8Check.IsValid(bytes) && AllAgree(bytes), $"seed {seed}");
            if (bytes.Length > 0)
            {
                bytes[random.Next(bytes.Length)] = Telling[random.Next(Telling.Length)];
                Assert.True(AllAgree(bytes), $"seed {seed}");
                var cut = bytes.AsSpan(0, random.Next(bytes.Length));
                Assert.True(AllAgree(cut), $"seed {seed}");
            }
        }
    }

    /// <summary>The check of .NET, and each variant of ours that this processor supports.</summary>
    private static bool AllAgree(ReadOnlySpan<byte> bytes)
    {
        var valid = Utf8.IsValid(bytes);
        return Utf8Check.IsValid(bytes) == valid
            && (!Avx2.IsSupported || Utf8Check.IsValidInBlocks<Utf8Check.Narrow, Vector256<byte>>(bytes) == valid)
            && (!Avx512BW.IsSupported || Utf8Check.IsValidInBlocks<Utf8Check.Wide, Vector512<byte>>(bytes) == valid);
    }
}
