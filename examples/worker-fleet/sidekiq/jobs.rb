# Two jobs on two queues, and what the server process adds: metrics and the books (see ledger.py).

require "sidekiq"
require "redis"
require_relative "metrics"

REDIS = { url: ENV.fetch("REDIS_URL") }.freeze
QUEUES = { "default" => "ImportJob", "mailers" => "EmailJob" }.freeze

Sidekiq.configure_client { |config| config.redis = REDIS }
Sidekiq.configure_server do |config|
  config.redis = REDIS
  config.server_middleware { |chain| chain.add Metrics::Middleware }
  config.on(:startup) { Metrics.serve }
  # A last scrape must see the last jobs: without it they are lost to everybody.
  config.on(:shutdown) { sleep Float(ENV.fetch("LINGER", "0")) }
end

# Nothing of the fleet outlives the one that started it.
parent = Process.ppid
Thread.new { sleep 1 while Process.ppid == parent; Process.kill(:KILL, Process.pid) }

module Planned
  BOOKS = Redis.new(REDIS)

  def perform(queue, seconds, fails)
    began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    sleep seconds
    took = Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
    BOOKS.multi do |together|
      together.rpush("runtimes/sidekiq/#{queue}", format("%.6f", took))
      together.hincrby("ledger", "sidekiq/#{queue}/#{fails ? "failed" : "done"}", 1)
    end
    raise "as planned" if fails
  end
end

class ImportJob
  include Sidekiq::Worker
  include Planned
  sidekiq_options queue: "default", retry: false
end

class EmailJob
  include Sidekiq::Worker
  include Planned
  sidekiq_options queue: "mailers", retry: false
end
